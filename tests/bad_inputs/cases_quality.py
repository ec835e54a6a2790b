"""What can be read and is used, but should not be believed without a look: the quality report tells of it."""

from __future__ import annotations

import pandas as pd
from catalogue import SHOP, Case, orders

from crm_analysis import engine, warehouse
from crm_analysis.methods import quality
from crm_analysis.params import Run
from crm_analysis.schema import OUTLIERS

CUSTOMERS = SHOP + "  customers:\n    files: customers.csv\n    columns: {customer_id: customer}\n"


def report(source, month: str) -> quality.Result:
    """What the report on a month says of a source that was built."""
    connection = engine.connect(source.root, "1GB")
    try:
        tables = warehouse.open_tables(source.folder, connection)
        return quality.analyse(tables, Run(source="shop", month=month), quality.Params())
    finally:
        connection.close()


def month_of_lines(month: str, price: str, n: int = 30) -> list[str]:
    return [f"G{month}-{number},c{number},{month}-{1 + number % 28:02},1,{price}" for number in range(n)]


def tells_of_the_unit(source) -> None:
    found = report(source, "2024-04")
    assert list(found.drift["code"]) == ["E-DRIFT-1"]
    assert quality.findings(found, "EUR")[0].startswith("The median amount per order of April 2024")
    # The same files, as a report on the month before saw them.
    assert report(source, "2024-03").drift.empty


def lists_the_outlier(source) -> None:
    found = report(source, "2024-05")
    assert found.largest[["file", "line"]].to_numpy().tolist() == [["orders.csv", 2]]
    assert found.steps.loc[found.steps["fate"] == "used", "n_rows"].sum() == 202
    (amounts,) = found.amounts.to_dict("records")
    # 50,000.00 is a thousand times the median, and not more.
    assert amounts["median_amount"] == 50
    assert round(amounts["mean_amount"] * 202) == 150_000 and round(amounts["mean_without_amount"] * 201) == 60_000


def tells_of_the_months(source) -> None:
    found = report(source, "2024-05")
    assert found.gaps[["n_days"]].to_numpy().tolist() == [[3 + 29 + 31 + 30]]
    assert "has no row from" in " ".join(quality.findings(found, "EUR"))


def counts_both_sides(source) -> None:
    checks = report(source, "2024-05").contradictions.set_index("check")
    unknown = checks.loc["“customer_id” has no row in “customers”"]
    # 200 good lines and one of two more: the other names a customer that is known.
    assert (unknown["n_tested"], unknown["n_wrong"]) == (202, 201)


CASES = [
    Case(
        id="A65",
        what="a month's amounts in cents instead of euros",
        files=orders(
            *month_of_lines("2024-01", "20.00"), *month_of_lines("2024-02", "20.00"), *month_of_lines("2024-03", "20.00"),
            *month_of_lines("2024-04", "2000.00"),
        ),
        check=tells_of_the_unit,
        handler="crm_analysis.checks.drift:find_moved_medians",
        without=lambda *_: [],
    ),
    Case(
        id="A65",
        what="a price rise of a tenth is no other unit",
        files=orders(
            *month_of_lines("2024-01", "20.00"), *month_of_lines("2024-02", "20.00"), *month_of_lines("2024-03", "20.00"),
            *month_of_lines("2024-04", "22.00"),
        ),
        check=lambda source: None if report(source, "2024-04").drift.empty else 1 / 0,
    ),
    Case(
        id="A67",
        what="an amount a thousand times the usual is used and listed with its line",
        files=orders("A,c1,2024-05-01,1,90000.00", "B,c1,2024-05-01,1,50000.00"),
        ledger={("used", None): 2},
        check=lists_the_outlier,
        handler="crm_analysis.cleaning.profile:list_outliers",
        without=lambda *_: pd.DataFrame(columns=list(OUTLIERS.columns)),
    ),
    Case(
        id="A80",
        what="orders of customers who are not in the table of customers",
        files={**orders("A,known,2024-05-01,1,5.00", "B,unknown,2024-05-01,1,5.00"), "customers.csv": "customer\nknown\n"},
        contract=CUSTOMERS,
        warnings={("E-REF-2", "customer_id"): 201},
        check=counts_both_sides,
        handler="crm_analysis.checks.consistency:_references",
        without=lambda *_: [],
    ),
    Case(
        id="A84",
        what="months without any order",
        files=orders(*month_of_lines("2024-01", "50.00", 28)),
        check=tells_of_the_months,
        handler="crm_analysis.checks.timeliness:list_days",
        without=lambda *_: [],
    ),
]  # fmt: skip
