"""Sales performance: totals, dimensions, effects, extremes, seasons, and whom to act on."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from crm_analysis import engine, language
from crm_analysis.customers import known_orders
from crm_analysis.errors import NotEnoughData, ParameterError
from crm_analysis.methods import sales
from crm_analysis.params import Run
from crm_analysis.schema import day_number
from crm_analysis.turnover.effects import BY_ORDERS, BY_PRODUCTS, DROPPED, EFFECTS, MIX, NEW, PRICE, REST, VOLUME
from crm_analysis.turnover.seasons import ALL, MONTH, SEASON, WEEKDAY
from crm_analysis.turnover.sold import NOT_KNOWN, SOLD, read
from crm_analysis.warehouse import open_tables

mpl.use("Agg")
RUN = Run(source="x", month="2024-12")
ANY = sales.Params(min_orders=1)
FRAMES = ("totals", "years", "months", "effects", "values", "extremes", "seasons")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def lines(*rows: tuple) -> pd.DataFrame:
    """(customer, day, amount, region, product, pieces, kind)"""
    made = []
    for number, (customer, day, amount, *rest) in enumerate(rows):
        region, product, pieces, kind = (*rest, *("North", "p", 1, "sale")[len(rest) :])
        day = date.fromisoformat(day)
        made.append(
            {
                "order_id": f"o{number}", "customer_id": customer, "product_id": product, "quantity": Decimal(pieces),
                "line_amount": Decimal(amount).quantize(Decimal("0.01")), "kind": kind, "region": region,
                "ordered_date": day, "ordered_day": day_number(day), "ordered_at": pd.Timestamp(day),
            }
        )  # fmt: skip
    return pd.DataFrame(made)


def analyse(frame: pd.DataFrame, params=ANY, run=RUN, **more) -> sales.Result:
    return sales.analyse({"order_lines": frame, **more}, run, params)


# Two whole years: North grows from 10 × 100 a month to 150, South falls from 100 to 40; nobody is named in June.
def _company() -> list[tuple]:
    rows = []
    for year, north, south in ((2023, 100, 100), (2024, 150, 40)):
        for month in range(1, 13):
            rows.append((f"n{month % 3}", f"{year}-{month:02}-10", north, "North", "p", 10))
            rows.append((None if month == 6 else "s", f"{year}-{month:02}-11", south, "South", "q", 4))
    return rows


@pytest.fixture(scope="module")
def company() -> sales.Result:
    return analyse(lines(*_company()))


def test_shapes(company):
    shapes = (sales.TOTALS, sales.YEARS, sales.MONTHS, EFFECTS, sales.VALUES, sales.EXTREMES, SEASON)
    for name, shape in zip(FRAMES, shapes, strict=True):
        shape.check(getattr(company, name).columns)
    sales.ACTIONS.check(company.actions.collect_schema().names())
    assert (
        list(SOLD.columns)
        == read({"order_lines": lines(*_company())}, RUN.as_of).sold.collect_schema().names()[: len(SOLD.columns)]
    )


def test_a_falling_region_is_found(company):
    """South lost 12 × 60, against 12 × 50 that North won: a fall of six times the whole change."""
    (fall,) = company.extremes.query(
        "dimension == 'region' and comparison == 'window before' and direction == 'fall'"
    ).to_dict("records")
    assert (fall["value"], fall["amount"], fall["earlier_amount"], fall["change_amount"]) == ("South", 480, 1200, -720)
    assert fall["total_rate"] == pytest.approx(-720 / -120)
    assert any("“North” +€600, the steepest fall “South” −€720" in one for one in sales.findings(company, "EUR"))


def test_values_rank_and_change(company):
    region = company.values[company.values["dimension"] == "region"].set_index("value")
    assert region.loc["North", ["rank", "amount", "last_year_amount", "last_month_amount"]].tolist() == [
        1,
        150,
        100,
        150,
    ]
    assert region.loc["South", "last_year_growth_rate"] == pytest.approx(-0.6)
    assert region.loc["South", "window_growth_rate"] == pytest.approx(-0.6)
    assert region.loc["North", "amount_share"] == pytest.approx(150 / 190)
    assert region["rank_last_year"].tolist() == [1, 2]


def test_what_names_no_customer_stands_in_its_own_row(company):
    people = company.values[company.values["dimension"] == "customer"].set_index("value")
    assert people.loc[NOT_KNOWN, "window_amount"] == 40
    assert people.loc[NOT_KNOWN, "rank"] is pd.NA
    assert people.index[-1] == NOT_KNOWN


def test_who_fell_is_to_be_called(company):
    actions = engine.collect(company.actions, 10).set_index("customer_id")
    assert actions.loc["s", ["segment", "stance", "amount", "earlier_amount", "expected_amount"]].tolist() == [
        "fallen", "keep", 440, 1100, 660,
    ]  # fmt: skip
    assert actions.loc["s", "reason"] == "440.00 in the last 12 months, 60% less than in the 12 before (1100.00)."
    assert set(actions.index) == {"s", "n0", "n1", "n2"}


def test_who_stopped_is_to_be_won_back():
    rows = [(customer, "2023-05-01", 100) for customer in "ab"] + [("a", "2024-05-01", 100), ("a", "2022-01-01", 1)]
    (gone,) = engine.collect(analyse(lines(*rows)).actions, 10).to_dict("records")
    assert (gone["customer_id"], gone["segment"], gone["stance"], gone["expected_amount"]) == (
        "b",
        "stopped buying",
        "win back",
        100,
    )


def test_volume_mix_and_price_by_hand():
    """p: 10 pieces at 10 → 30 at 12; q: 10 at 20 → 10 at 20; r is new, s is gone; t came back as often as it was sold."""
    before = [
        ("a", "2023-12-05", "100", "x", "p", 10),
        ("a", "2023-12-05", "200", "x", "q", 10),
        ("a", "2023-12-05", 70, "x", "s", 7),
    ]
    now = [
        ("a", "2024-12-05", "360", "x", "p", 30),
        ("a", "2024-12-05", "200", "x", "q", 10),
        ("a", "2024-12-05", 50, "x", "r", 5),
    ]
    rest = [("a", "2024-12-05", "9", "x", "t", 1), ("a", "2024-12-06", "-5", "x", "t", -1, "return")]
    effects = analyse(lines(*before, *now, *rest)).effects.query(
        "comparison == 'same month last year' and view == 'products'"
    )
    found = effects.set_index("effect")["amount"].to_dict()
    # Twice the pieces at a mean of 15 is +300; at the old prices 500 were sold, so 100 less by mix; and 2 × 30 by price.
    assert found == {VOLUME: 300, MIX: -100, PRICE: 60, NEW: 50, DROPPED: -70, REST: 4}


def test_effects_and_dimensions_sum_to_the_whole(company):
    totals = company.totals.set_index("period")["amount"]
    for comparison, (now, then) in sales.COMPARISONS.items():
        for view in (BY_ORDERS, BY_PRODUCTS):
            parts = company.effects.query("comparison == @comparison and view == @view")["amount"]
            assert sum(parts) == totals[now] - totals[then], (comparison, view)
    for _name, part in company.values.groupby("dimension"):
        assert sum(part["amount"]) == totals["month"]
        assert sum(part["window_amount"]) == totals["window"]


def test_nothing_later_is_looked_at(company):
    later = analyse(lines(*_company(), ("s", "2025-01-01", 9999)))
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(company, name), getattr(later, name), obj=name)


def test_the_order_of_rows_does_not_matter(company):
    again = analyse(lines(*_company()).sample(frac=1, random_state=1))
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(company, name), getattr(again, name), obj=name)


def test_earlier_states_are_those_of_earlier_runs(company):
    run = Run(source="x", month="2024-11")
    frame = analyse(lines(*_company()), run=run).totals.set_index("period")
    pd.testing.assert_series_equal(company.earlier["last month"].loc["month", frame.columns], frame.loc["month"])


def test_season_is_not_growth():
    """Every December three times the other months, every year twice the one before: an index of 36/14, not more."""
    rows = [
        ("a", f"{year}-{month:02}-03", 2 ** (year - 2022) * (300 if month == 12 else 100))
        for year in (2022, 2023, 2024)
        for month in range(1, 13)
    ]
    index = (
        analyse(lines(*rows))
        .seasons.query(f"kind == @MONTH and category == {ALL!r}")
        .set_index("number")["season_index"]
    )
    assert index[12] == pytest.approx(36 / 14)
    assert index[1] == pytest.approx(12 / 14)
    assert index.mean() == pytest.approx(1)


def test_weekdays():
    """2024-12-02 is a Monday."""
    seasons = analyse(lines(("a", "2024-12-02", 70), ("a", "2024-12-08", 70))).seasons
    found = seasons[seasons["kind"] == WEEKDAY].set_index("number")["season_index"]
    assert found.to_dict() == {0: 3.5, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 3.5}


def test_a_wanted_dimension_and_one_that_is_none():
    customers = pd.DataFrame({"customer_id": ["s", "n0"], "size": ["large", "small"]})
    params = sales.Params(min_orders=1, dimensions={"size": "size"})
    values = analyse(lines(*_company()), params, customers=customers).values
    assert set(values.loc[values["dimension"] == "size", "value"]) == {"large", "small", NOT_KNOWN}
    with pytest.raises(ParameterError, match="has no 'sizes', did you mean 'size'"):
        analyse(lines(*_company()), sales.Params(dimensions={"size": "sizes"}), customers=customers)


def test_too_little_is_told():
    with pytest.raises(NotEnoughData, match="24 orders, deals or invoices by then, and the method needs 100"):
        analyse(lines(*_company()[:24]), sales.Params(min_orders=100))
    with pytest.raises(NotEnoughData, match="no orders, deals or invoices"):
        sales.analyse({}, RUN, ANY)
    with pytest.raises(NotEnoughData, match="nothing was sold"):
        analyse(lines(("a", "2025-03-01", 10)))


def test_one_month_is_compared_with_nothing():
    result = analyse(lines(("a", "2024-12-02", 70)))
    assert result.known == []
    assert result.effects.empty
    assert engine.n_rows(result.actions) == 0
    assert "no earlier month" in sales.findings(result, "EUR")[0]


def test_only_returns_and_returns_alone():
    result = analyse(lines(("a", "2024-11-02", 70), ("a", "2024-12-02", -70, "North", "p", -1, "return")))
    totals = result.totals.set_index("period")
    assert totals.loc["month", ["amount", "n_orders"]].tolist() == [-70, 0]
    assert totals.loc["to date", "amount"] == 0


@pytest.mark.parametrize(
    "wrong", [{"window_months": 0}, {"max_values": 2}, {"extremes": 0}, {"least_change_rate": 0}, {"min_orders": 0}, {"dimensions": {"a b": "x"}}]
)  # fmt: skip
def test_parameters_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))[:9]):
        sales.Params(**wrong)


# --- other tables that tell of sales ---------------------------------------------------------------------------------


def test_deals_won_are_sales_where_there_are_no_orders():
    deals = pd.DataFrame(
        {
            "opportunity_id": ["d1", "d2", "d3"], "customer_id": ["a", None, "a"], "is_won": [True, True, False],
            "closed_date": [date(2024, 12, 3)] * 3, "opportunity_amount": [Decimal("10.00"), Decimal("5.00"), Decimal("99.00")],
            "salesperson": ["Ann", "Bob", "Bob"],
        }
    )  # fmt: skip
    people = pd.DataFrame({"salesperson": ["Ann", "Bob"], "team": ["East", "West"]})
    result = sales.analyse({"opportunities": deals, "salespeople": people}, RUN, ANY)
    team = result.values[result.values["dimension"] == "team"].set_index("value")["amount"]
    assert team.to_dict() == {"East": 10, "West": 5}
    assert "deals won" in result.warnings[0]


def test_invoices_are_sales_where_there_is_nothing_else(built_source, real_data, connection):
    tables = open_tables(built_source("accounts_receivable"), connection)
    result = sales.analyse(tables, Run(source="x", month="2013-12"), sales.Params())
    paid = engine.collect(tables["payments"].select("invoice_amount"), 5000)["invoice_amount"]
    assert result.totals.set_index("period").loc["to date", "amount"] == sum(paid)


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(superstore, connection) -> tuple[dict, sales.Result]:
    tables = open_tables(superstore, connection)
    return tables, sales.analyse(tables, Run(source="x", month="2017-12"), sales.Params())


def test_superstore(store):
    """Yearly growth −2.8322, +29.4715 and +20.3560 %, margin 12.4672 %, 155 customers below zero."""
    _, result = store
    assert (100 * result.years["growth_rate"]).tolist()[1:] == pytest.approx([-2.8322, 29.4715, 20.3560], abs=5e-5)
    everything = result.totals.set_index("period").loc["to date"]
    assert 100 * everything["margin_rate"] == pytest.approx(12.4672, abs=5e-5)
    assert everything["n_unprofitable"] == 155


def test_superstore_by_plain_sums(store):
    """Each region of the month and of the window against sums over plain Python values."""
    tables, result = store
    frame = engine.collect(tables["order_lines"], 20_000)
    region = result.values[result.values["dimension"] == "region"].set_index("value")
    for column, start in {"amount": date(2017, 12, 1), "window_amount": date(2017, 1, 1)}.items():
        part = frame[frame["ordered_date"] >= start]
        assert region[column].to_dict() == {name: sum(own["line_amount"]) for name, own in part.groupby("region")}


def test_the_sample_company_keeps_every_cent(built_source, connection):
    tables = open_tables(built_source("sample_small"), connection)
    run = Run(source="x", month="2026-10")
    result = sales.analyse(tables, run, sales.Params())
    orders = engine.collect(known_orders(tables, run.as_of).select("net_amount", "ordered_month"), 100_000)
    totals = result.totals.set_index("period")["amount"]
    assert totals["to date"] == sum(orders["net_amount"])
    month = sum(orders.loc[orders["ordered_month"] == "2026-10", "net_amount"])
    for name, part in result.values.groupby("dimension"):
        assert sum(part["amount"]) == month == totals["month"], name
    assert set(result.values["dimension"]) == {
        "region",
        "category",
        "channel",
        "salesperson",
        "customer group",
        "product",
        "customer",
    }
    # December is what the company's truth says: larger baskets and more who join.
    index = result.seasons.query(f"kind == @MONTH and category == {ALL!r}").set_index("number")["season_index"]
    assert index[12] > 1.1
    assert len(sales.findings(result, "EUR")) >= 5
    assert [one.name for one in sales.key_figures(result)][-1] == "margin"


# --- charts ----------------------------------------------------------------------------------------------------------


def test_charts_draw_the_numbers(company):
    language.use("en")
    region = sales.of_dimension(company.values, sales.REGION)
    widths = [one.get_width() for one in sales.plot_values(region, "EUR").patches]
    assert widths == [1800, 480, 1200, 1200]
    effects = sales.effects_of(company, BY_ORDERS)
    assert [one.get_width() for one in sales.plot_effects(effects, "EUR").patches] == [
        float(one) for one in effects["amount"]
    ]
    assert [one.get_height() for one in sales.plot_months(company.months, "EUR").patches][-2:] == [190, 190]
    assert sales.plot_seasons(company.seasons, MONTH).get_xticklabels()[11].get_text() == "Dec"
    assert sales.plot_seasons(company.seasons, WEEKDAY).get_xticklabels()[0].get_text() == "Mon"
