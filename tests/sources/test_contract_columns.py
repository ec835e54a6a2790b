"""Columns that the file does not have, spells in several ways or writes as one of many texts."""

from __future__ import annotations

import pytest

from crm_analysis.errors import InputError, ParameterError

CONTRACT = """
company: Test
currency: EUR
time_zone: Europe/Berlin
covers_until: 2024-06-30
tables:
  campaign_contacts:
    files: t.csv
    columns:
      campaign_id: {value: autumn e-mail}
      arm: ARM
      is_control: FLAG
    attributes: {area: AREA}
"""
ROWS = "arm,area\nNone,N\nred,n\nblue,S\n"


@pytest.fixture(scope="module")
def make(make_source):
    def build(text: str = ROWS, contract: str = CONTRACT, **columns: str):
        usual = {"ARM": "arm", "FLAG": "{column: arm, yes: [None], no: rest}", "AREA": "area"}
        for name, source in {**usual, **columns}.items():
            contract = contract.replace(f": {name}\n", f": {source}\n").replace(f": {name}}}", f": {source}}}")
        return make_source(contract, {"t.csv": text}).build()

    return build


def test_a_value_that_the_file_does_not_have(make):
    assert [row["campaign_id"] for row in make().rows("campaign_contacts")] == ["autumn e-mail"] * 3


def test_a_value_is_read_as_the_file_would_write_it(make):
    contract = CONTRACT.replace("columns:", 'format: {decimal: ",", date: "%d.%m.%Y"}\n    columns:', 1)
    contract = contract.replace("      arm:", '      contacted_date: {value: "31.05.2024"}\n'
                                '      response_amount: {value: "1,50"}\n      arm:')  # fmt: skip
    row = make(contract=contract).rows("campaign_contacts")[0]
    assert (str(row["contacted_date"]), str(row["response_amount"])) == ("2024-05-31", "1.50")


def test_a_table_taken_from_another_may_have_a_value_too(make):
    contract = CONTRACT + "  campaigns:\n    from: campaign_contacts\n    columns:\n"
    contract += "      campaign_id: {value: autumn e-mail}\n      channel: {value: e-mail}\n"
    assert make(contract=contract).rows("campaigns") == [{"campaign_id": "autumn e-mail", "channel": "e-mail"}]


@pytest.mark.parametrize(
    ("flag", "found"),
    [
        ("{column: arm, yes: [None], no: rest}", [True, False, False]),
        ("{column: arm, yes: rest, no: [None]}", [False, True, True]),
        ("{column: arm, yes: [None], no: [red, blue]}", [True, False, False]),
    ],
)
def test_a_flag_of_many_texts(make, flag, found):
    assert [row["is_control"] for row in make(FLAG=flag).rows("campaign_contacts")] == found


@pytest.mark.parametrize(
    ("flag", "n"), [("{column: area, yes: [N], no: rest}", 1), ('{column: area, yes: [N], no: [""]}', 0)]
)
def test_rest_is_every_text_but_none(make, flag, n):
    text = "arm,area\n" + "red,N\n" * 30 + "red,\n"
    assert make(text, FLAG=flag).fates()["rejected", "E-FLAG-1 is_control"] == n


def test_a_flag_that_both_lists_miss_is_rejected(make, refused):
    with refused(InputError, "E-FLAG-1"):
        make(FLAG="{column: arm, yes: [None], no: [red]}")


def test_other_spellings_of_a_value(make):
    source = make(AREA="{column: area, same_as: {n: N, S: South, N: North}}")
    # Each text is looked up once, as the file has it.
    assert [row["area"] for row in source.rows("campaign_contacts")] == ["North", "N", "South"]


@pytest.mark.parametrize(
    ("column", "source", "words"),
    [
        ("ARM", "{value: a, column: arm}", "write one of 'column', 'columns' and 'value'"),
        ("ARM", "{same_as: {a: b}}", "write one of 'column', 'columns' and 'value'"),
        ("FLAG", "{column: arm, yes: rest, no: rest}", "both 'yes' and 'no'"),
        ("FLAG", "{column: arm, yes: [None], no: rest, same_as: {a: b}}", "only ids and texts have other spellings"),
    ],
)
def test_a_column_that_says_too_much_or_too_little_is_refused(make, refused, column, source, words):
    with refused(ParameterError, "E-PAR-3") as caught:
        make(**{column: source})
    assert words in caught.value.fix


@pytest.mark.parametrize("table", ["campaign_contacts", "feedback"])
def test_only_things_are_taken_from_the_rows_of_another_table(make, refused, table):
    contract = CONTRACT.replace("campaign_contacts:", "campaigns:").replace(
        "      arm: ARM\n      is_control: FLAG\n", ""
    )
    columns = {"campaign_contacts": "campaign_id: arm, arm: arm", "feedback": "feedback_text: arm"}[table]
    with refused(ParameterError, "E-PAR-3") as caught:
        make(contract=contract + f"  {table}:\n    from: campaigns\n    columns: {{{columns}}}\n")
    assert "customers, products, salespeople, campaigns" in caught.value.fix


def test_a_rule_may_name_a_column_of_the_file_beside_a_value(make):
    contract = CONTRACT + "    exclude: [{column: area, values: [S], reason: not ours}]\n"
    assert make(contract=contract).fates()["excluded", "not ours"] == 1


def test_a_column_that_another_table_of_the_file_uses_is_not_told_as_ignored(make):
    contract = CONTRACT.replace("    attributes: {area: AREA}\n", "")
    contract += "  feedback:\n    files: t.csv\n    columns: {feedback_text: area}\n"
    assert make("arm,area,more\nNone,N,1\n", contract=contract).meta.ignored_columns == {"t.csv": ["more"]}
