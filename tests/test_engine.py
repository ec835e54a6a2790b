"""Sentences that the engine makes of a template, row by row."""

import narwhals as nw
import pandas as pd
import pytest

from crm_analysis import engine

FRAME = pd.DataFrame({"days": [3, None], "name": ["Ann", "{days}"]}).astype({"days": "Int64"})


def sentences(template, connection, **expressions):
    table = engine.as_table(FRAME, connection).select("name", told=engine.sentence(template, **expressions))
    return engine.collect(table.sort("name"), 10)["told"].tolist()


@pytest.fixture
def connection(tmp_path):
    return engine.connect(tmp_path, "100MB")


def test_a_sentence_takes_its_values_in_the_order_of_its_text(connection):
    values = {"days": nw.col("days").fill_null(0), "name": nw.col("name")}
    assert sentences("{name}: {days} days", connection, **values) == ["Ann: 3 days", "{days}: 0 days"]
    assert sentences("{days}天：{name}。", connection, **values) == ["3天：Ann。", "0天：{days}。"]
    assert sentences("{name}{name}", connection, **values) == ["AnnAnn", "{days}{days}"]


def test_a_sentence_without_values_is_its_text(connection):
    assert sentences("as it stands, {{so}}", connection) == ["as it stands, {so}"] * 2


def test_a_sentence_is_unknown_where_a_value_is(connection):
    told = sentences("{days} days", connection, days=nw.col("days"))
    assert told[0] == "3 days" and pd.isna(told[1])


def test_a_name_without_an_expression_is_an_error():
    with pytest.raises(KeyError, match="days"):
        engine.sentence("{days} days")
