"""The contracts of the sample company: what they say, how often and why they end, and how they reach the database.

What is left to chance must lie within three standard errors of what is planted.
"""

from __future__ import annotations

import math
import re
import shutil
from collections import Counter, defaultdict
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from crm_analysis import warehouse
from crm_analysis.sources.sample import Company, draw_company, write_sample_company
from crm_analysis.sources.sample_truth import DAYS_PER_MONTH, DIRT, TRUTH
from crm_analysis.sources.sample_words import (
    CHANNELS,
    CONTRACT_ATTRIBUTES,
    END_REASONS,
    HAZARD_FACTORS,
    MONTHLY_FEES,
)

CLEAN_LINE = {
    "Contract No": r"K-\d{5}",
    "Customer No": r"C\d{6}",
    "Plan": "|".join(CONTRACT_ATTRIBUTES["Plan"]),
    "Payment Method": "|".join(CONTRACT_ATTRIBUTES["Payment Method"]),
    "Billing": "|".join(CONTRACT_ATTRIBUTES["Billing"]),
    "Channel": "|".join(CHANNELS),
    "Monthly Fee": r"\d+,\d\d",
    "Start Date": r"\d\d\.\d\d\.\d{4}",
    "End Date": r"(\d\d\.\d\d\.\d{4})?",
    "End Reason": r"[A-Z][a-z ]+|",
}
DECLARED = {kind: n for kind, n in asdict(DIRT).items() if kind.startswith("contract_")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sample")
    write_sample_company(path)
    return path


@pytest.fixture(scope="module")
def company() -> Company:
    """The truth behind the files in `folder`."""
    return draw_company()


@pytest.fixture(scope="module")
def orders(company) -> list[dict]:
    """The first line of each order of a known customer, as exported."""
    lines = company.order_lines
    lines = lines[lines["Order No"].str.startswith("SO") & (lines["Customer No"] != "")]
    first = lines.drop_duplicates("Order No").to_dict("records")
    return [{**line, "Customer No": line["Customer No"].strip(), "day": line["Order Date"][:10]} for line in first]


@pytest.fixture(scope="module")
def contract_lines(folder) -> list[str]:
    return read_lines(folder)


@pytest.fixture(scope="module")
def contracts(contract_lines) -> list[dict]:
    """The contracts with dates as dates (None: no end) and `days` for how long each has run by the end of the last day."""
    cells = ([cell.strip() for cell in line.split(";")] for line in dict.fromkeys(contract_lines))
    found = [dict(zip(CLEAN_LINE, row, strict=True)) for row in cells]
    found = [one for one in found if parse_day(one["Start Date"])]
    for one in found:
        one["Start Date"], one["End Date"] = parse_day(one["Start Date"]), parse_day(one["End Date"])
        one["days"] = ((one["End Date"] or TRUTH.last_day) - one["Start Date"]).days
    return found


def read_lines(folder: Path) -> list[str]:
    """The lines of the file of contracts below its header."""
    return (folder / "contracts.csv").read_bytes().decode().split("\r\n")[1:-1]


def parse_day(text: str) -> date | None:
    try:
        day, month, year = map(int, text.split("."))
        return date(year, month, day)
    except ValueError:
        return None


def count_dirt(lines: list[str]) -> dict[str, int]:
    """What `Dirt` counts of contracts, counted again from the text."""
    dirt, seen = Counter(dict.fromkeys(DECLARED, 0)), set()
    for text in lines:
        if text in seen:
            dirt["contract_duplicates"] += 1
            continue
        seen.add(text)
        line = dict(zip(CLEAN_LINE, text.split(";"), strict=True))
        wrong = [column for column, pattern in CLEAN_LINE.items() if not re.fullmatch(pattern, line[column])]
        if not parse_day(line["Start Date"]):
            assert wrong == []
            dirt["contract_broken_dates"] += 1
        elif wrong:
            (column,) = wrong
            assert column in ("Contract No", "Customer No")
            assert re.fullmatch(CLEAN_LINE[column], line[column].strip(" \u00a0"))
            dirt["contract_padded_ids"] += 1
    return dict(dirt)


def assert_shares(found: Counter, shares: dict[str, float]) -> None:
    """That counts are what a draw by these shares gives."""
    n = found.total()
    assert set(found) <= set(shares)
    for name, share in shares.items():
        assert abs(found[name] - n * share) < 3 * math.sqrt(n * share * (1 - share)), name


def test_dirt_is_exactly_what_is_declared(contract_lines):
    assert count_dirt(contract_lines) == DECLARED


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_dirt_is_exact_for_any_seed_and_a_small_company(tmp_path, seed):
    write_sample_company(tmp_path, seed=seed, n_customers=500)
    assert count_dirt(read_lines(tmp_path)) == DECLARED


def test_contracts_file(folder, contracts):
    header = (folder / "contracts.csv").read_bytes().decode().split("\r\n")[0]
    assert header.split(";") == list(CLEAN_LINE)
    assert 1700 <= len(contracts) <= 2000
    assert [one["Contract No"] for one in contracts] == [f"K-{10_001 + i}" for i in range(len(contracts))]
    assert all(one["Monthly Fee"] == f"{MONTHLY_FEES[one['Plan']] // 100},00" for one in contracts)


def test_contracts_show_the_state_of_the_export_day(contracts):
    starts = [one["Start Date"] for one in contracts]
    assert starts == sorted(starts)
    assert TRUTH.last_day - timedelta(days=3) <= starts[-1] <= TRUTH.last_day
    assert all(one["days"] > 0 for one in contracts if one["End Date"])
    assert max(one["End Date"] for one in contracts if one["End Date"]) <= TRUTH.last_day
    assert all((one["End Date"] is None) == (one["End Reason"] == "") for one in contracts)


def test_contracts_start_with_an_order(contracts, orders):
    ordered = {(one["Customer No"], one["day"], one["Channel"]) for one in orders}
    signed = {(one["Customer No"], one["Start Date"].isoformat(), one["Channel"]) for one in contracts}
    assert signed - ordered == set()


def test_customers_without_a_contract_sign_as_often_as_planted(contracts, orders):
    first = {}
    for one in contracts:
        first.setdefault(one["Customer No"], one["Start Date"].isoformat())
    n = sum(one["day"] <= first.get(one["Customer No"], "9999") for one in orders)
    shares = {"signs": TRUTH.signing_prob, "does not": 1 - TRUTH.signing_prob}
    assert_shares(Counter({"signs": len(first), "does not": n - len(first)}), shares)


def test_a_second_contract_is_rare_and_starts_after_the_first_ended(contracts):
    by_customer = defaultdict(list)
    for one in contracts:
        by_customer[one["Customer No"]].append(one)
    assert max(map(len, by_customer.values())) == 2
    pairs = [pair for pair in by_customer.values() if len(pair) == 2]
    assert 20 < len(pairs) < 100
    assert all(first["End Date"] < second["Start Date"] for first, second in pairs)


@pytest.mark.parametrize("attribute", list(CONTRACT_ATTRIBUTES))
def test_shares_of_what_contracts_say(contracts, attribute):
    assert_shares(Counter(one[attribute] for one in contracts), CONTRACT_ATTRIBUTES[attribute])


def test_contracts_end_in_every_month_and_many_in_those_of_the_last_year(contracts):
    ends = Counter(f"{one['End Date']:%Y-%m}" for one in contracts if one["End Date"])
    months = [f"{month}" for month in pd.period_range("2025-11", "2026-10", freq="M")]
    assert min(ends[month] for month in months) >= 15
    assert min(ends[f"{month}"] for month in pd.period_range("2024-01", "2026-10", freq="M")) >= 1
    rate = ends.total() / sum(one["days"] / DAYS_PER_MONTH for one in contracts)
    assert 0.02 <= rate <= 0.03


def expected_ends(one: dict, without: str = "") -> float:
    """Ends to be expected of a contract in the days it ran, by all that is planted but the factor of one attribute."""
    factors = [table[one[attribute]] for attribute, table in HAZARD_FACTORS.items() if attribute != without]
    early_days = min(one["days"], TRUTH.early_months * DAYS_PER_MONTH)
    days = one["days"] + (0 if without == "stage" else TRUTH.early_hazard_factor - 1) * early_days
    return TRUTH.monthly_hazard * math.prod(factors) * days / DAYS_PER_MONTH


def assert_hazard_ratio(groups: list[list[dict]], without: str, ratio: float) -> None:
    """Ends per expected end, of the second group over the first."""
    n_ends = [sum(one["End Date"] is not None for one in group) for group in groups]
    rates = [n / sum(expected_ends(one, without) for one in group) for n, group in zip(n_ends, groups, strict=True)]
    standard_error = math.sqrt(sum(1 / n for n in n_ends))
    assert abs(math.log(rates[1] / rates[0] / ratio)) < 3 * standard_error


@pytest.mark.parametrize(
    ("attribute", "usual", "other", "ratio"),
    [
        ("Payment Method", "Direct debit", "Card", 1.5),
        ("Payment Method", "Direct debit", "Invoice", 2.2),
        ("Billing", "Monthly", "Yearly", 0.5),
        ("Plan", "Basic", "Standard", 1),
        ("Plan", "Basic", "Premium", 1),
        ("Channel", "Web", "Store", 1),
        ("Channel", "Web", "Phone", 1),
    ],
)
def test_hazard_ratios_are_the_planted_ones(contracts, attribute, usual, other, ratio):
    groups = [[one for one in contracts if one[attribute] == name] for name in (usual, other)]
    assert_hazard_ratio(groups, attribute, ratio)
    if ratio != 1:
        with pytest.raises(AssertionError):
            assert_hazard_ratio(groups, attribute, 1)


def test_contracts_end_twice_as_often_in_their_first_three_months(contracts):
    limit = round(TRUTH.early_months * DAYS_PER_MONTH)
    early = [{**one, "End Date": one["End Date"] if one["days"] <= limit else None, "days": min(one["days"], limit)}
             for one in contracts]  # fmt: skip
    late = [{**one, "days": one["days"] - limit} for one in contracts if one["days"] > limit]
    assert_hazard_ratio([late, early], "stage", TRUTH.early_hazard_factor)
    with pytest.raises(AssertionError):
        assert_hazard_ratio([late, early], "stage", 1)


def test_as_many_contracts_ended_as_their_hazards_give(contracts):
    expected = sum(expected_ends(one) for one in contracts)
    assert abs(sum(one["End Date"] is not None for one in contracts) - expected) < 3 * math.sqrt(expected)


@pytest.mark.parametrize("plan", list(END_REASONS))
def test_shares_of_the_reasons(contracts, plan):
    assert_shares(
        Counter(one["End Reason"] for one in contracts if one["Plan"] == plan and one["End Date"]), END_REASONS[plan]
    )


def test_the_first_reason_by_customers_is_not_the_first_by_money(contracts):
    n, money = Counter(), Counter()
    for one in contracts:
        if one["End Date"]:
            n[one["End Reason"]] += 1
            money[one["End Reason"]] += MONTHLY_FEES[one["Plan"]]
    assert (n.most_common(1)[0][0], money.most_common(1)[0][0]) == ("Not used", "Too expensive")


def test_the_truth_of_the_contracts_is_what_the_file_shows(company, contracts):
    assert len(company.contracts) == len(contracts)
    for truth, one in zip(company.contracts.to_dict("records"), contracts, strict=True):
        same = ("Contract No", "Customer No", *CONTRACT_ATTRIBUTES, "Channel")
        assert [truth[column] for column in same] == [one[column] for column in same]
        assert truth["Start Date"].date() == one["Start Date"]
        assert (None if pd.isna(truth["End Date"]) else truth["End Date"].date()) == one["End Date"]
        assert ("" if pd.isna(truth["End Reason"]) else truth["End Reason"]) == one["End Reason"]
        factors = [table[one[attribute]] for attribute, table in HAZARD_FACTORS.items()]
        assert truth["monthly_hazard"] == pytest.approx(TRUTH.monthly_hazard * math.prod(factors))


def test_the_customer_database_holds_the_contracts_and_the_ledger_their_dirt(project, contracts, tmp_path):
    shutil.copytree(project / "params", tmp_path / "params")
    warehouse.ensure(tmp_path, "sample", "1GB")
    folder = warehouse.warehouse_folder(tmp_path, "sample")
    rows = pyarrow.parquet.read_table(folder / "contracts.parquet").to_pylist()
    names = {"contract_id": "Contract No", "customer_id": "Customer No", "started_date": "Start Date",
             "ended_date": "End Date", "plan": "Plan", "payment_method": "Payment Method", "billing": "Billing",
             "channel": "Channel"}  # fmt: skip
    expected = [
        {name: one[column] for name, column in names.items()}
        | {"end_reason": one["End Reason"] or None, "monthly_amount": Decimal(one["Monthly Fee"].replace(",", "."))}
        for one in contracts
    ]
    assert sorted(rows, key=lambda row: row["contract_id"]) == expected
    ledger = pyarrow.parquet.read_table(folder / "ledger.parquet").to_pylist()
    fates = Counter()
    for row in ledger:
        if row["table"] == "contracts":
            fates[row["fate"], row["reason"]] += row["n_rows"]
    assert fates == {
        ("used", None): len(contracts),
        ("duplicate", None): DIRT.contract_duplicates,
        ("rejected", "E-DATE-1 started_date"): DIRT.contract_broken_dates,
    }
    completeness = pyarrow.parquet.read_table(folder / "completeness.parquet").to_pylist()
    assert sum(row["n_repaired"] for row in completeness if row["table"] == "contracts") == DIRT.contract_padded_ids
