"""The ledger: every row of every file has one fate, and rows and money add up to what was read."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.cleaning import ledger as ledgers
from crm_analysis.errors import InputError, IntegrityError

SHOP = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  order_lines:
    files: orders-*.csv
    format: {datetime: "%Y-%m-%d"}
    columns: {order_id: o, customer_id: c, ordered_at: d, quantity: q, unit_price: p}
    returns: {order_id_prefix: R}
    exclude: [{column: o, prefix: TEST, reason: test}]
    negatives: reject
"""
GOOD = [f"G{number},c{number},2024-06-01,1,100.00" for number in range(400)]


def read_line(line: str, seen: set[str]) -> tuple:
    """What the rules say of a line, in plain Python: (fate, reason, kind, has customer, month, amount)."""
    cells = line.split(",")
    if not line.strip():
        return "blank", None, None, False, None, Decimal(0)
    if len(cells) != 5:
        return "rejected", "E-ROW-1" if len(cells) > 5 else "E-ROW-3", None, False, None, Decimal(0)
    order, customer, day, quantity, price = cells
    try:
        day_read = date.fromisoformat(day)
    except ValueError:
        day_read = None
    numbers = [Decimal(one) if one.lstrip("-").replace(".", "").isdigit() else None for one in (quantity, price)]
    is_return = order.startswith("R")
    amount = None if None in numbers else numbers[0] * numbers[1]
    if amount is not None and is_return:
        amount = -abs(amount)
    kind = None
    if is_return or (amount is not None and amount < 0):
        kind = "return"
    elif amount is not None:
        kind = "sale" if amount > 0 else "stock" if numbers[0] < 0 else "free"
    elif numbers[0] is not None and numbers[0] < 0:
        kind = "stock"
    reason = None
    if not order:
        reason = "E-ID-1 order_id"
    elif day_read is None:
        reason = "E-DATE-1 ordered_at"
    elif numbers[0] is None:
        reason = "E-NUM-1 quantity"
    elif numbers[1] is None:
        reason = "E-NUM-1 unit_price"
    elif amount < 0 and not is_return:
        reason = "E-NUM-5 line_amount"
    told = kind, bool(customer), day_read and f"{day_read:%Y-%m}", amount or Decimal(0)
    if reason is None and line in seen:
        return "duplicate", None, *told
    if reason is None:
        seen.add(line)
    if order.startswith("TEST"):
        return "excluded", "test", *told
    return ("rejected", reason, *told) if reason else ("used", None, *told)


line = st.one_of(
    st.builds(
        "{},{},{},{},{}".format,
        st.sampled_from(["A", "B", "R1", "R2", "TEST1", ""]),
        st.sampled_from(["c1", "c2", ""]),
        st.sampled_from(["2024-01-31", "2024-02-29", "2024-02-30", "soon", ""]),
        st.sampled_from(["1", "3", "-2", "0", "two"]),
        st.sampled_from(["0.05", "1.10", "0.00", "free", ""]),
    ),
    st.sampled_from(["", "A,c1,2024-01-31,1", "A,c1,2024-01-31,1,0.10,x"]),
)


@settings(max_examples=15, deadline=None)
@given(first=st.lists(line, max_size=8), second=st.lists(line, max_size=7))
def test_every_row_has_the_fate_that_the_rules_give_it_and_money_adds_up(make_source, first, second):
    """Against a plain loop with Decimal: fates, reasons, kinds, months, rows and money of two files."""
    texts = {"orders-1.csv": first + GOOD, "orders-2.csv": second}
    if not any(second):
        texts["orders-2.csv"] = GOOD[:1]
    expected, seen = defaultdict(lambda: [0, Decimal(0)]), set()
    rejected = []
    for file, lines in texts.items():
        for number, one in enumerate(lines, 2):
            *key, amount = read_line(one, seen)
            expected[file, *key][0] += 1
            expected[file, *key][1] += amount
            if key[0] == "rejected":
                rejected.append((file, number, key[1], one))
    source = make_source(SHOP, {file: "\n".join(["o,c,d,q,p", *lines]) + "\n" for file, lines in texts.items()}).build()
    found = {
        (row["file"], row["fate"], row["reason"], row["kind"], row["has_customer"], row["ordered_month"]): [
            row["n_rows"], row["line_amount"],
        ]
        for row in source.rows("ledger")
        if row["fate"] != "blank"
    }  # fmt: skip
    assert found == {key: value for key, value in expected.items() if key[1] != "blank"}
    n_blank = sum(n for key, (n, _) in expected.items() if key[1] == "blank")
    assert source.fates()["blank", None] == n_blank
    assert sorted(
        (row["file"], row["line"], row["reason"], row["raw_text"]) for row in source.rows("rejects")
    ) == sorted(rejected)
    used = sum(value for key, (_, value) in expected.items() if key[1] == "used")
    assert sum(row["net_amount"] for row in source.rows("orders")) == used
    assert sum(row["line_amount"] for row in source.rows("order_lines")) == used


def test_few_rejects_are_kept_with_file_line_reason_and_text(make_shop):
    source = make_shop("A,c,2024-01-31,1,5.00", " B\u00a0,c,soon,1,1.00", "C,c,2024-01-31,1,1.00,x", "D")
    kept = [(row["file"], row["line"], row["reason"], row["raw_text"]) for row in source.rows("rejects")]
    assert kept == [
        ("orders.csv", 3, "E-DATE-1 ordered_at", " B\u00a0,c,soon,1,1.00"),
        ("orders.csv", 4, "E-ROW-1", "C,c,2024-01-31,1,1.00,x"),
        ("orders.csv", 5, "E-ROW-3", "D"),
    ]
    assert {row["table"] for row in source.rows("rejects")} == {"order_lines"}


@pytest.mark.parametrize("n_bad", [10, 11])
def test_more_than_five_per_cent_of_the_rows_rejected_stops_the_run(make_shop, refused, n_bad):
    lines = [f"A{number},c,soon,1,0.00" for number in range(n_bad)]
    if n_bad <= 10:
        assert make_shop(*lines).fates()["rejected", "E-DATE-1 ordered_at"] == n_bad
        return
    with refused(InputError, "E-DATE-1") as caught:
        make_shop(*lines)
    assert (caught.value.file, caught.value.column) == ("orders.csv", "ordered_at")
    assert caught.value.rows == "2,3,4,5,6,7,8,9,10,11,12 (11 rows)"
    assert "5.2% of the rows" in caught.value.fix


@pytest.mark.parametrize(("price", "is_refused"), [("204.00", False), ("204.09", True)])
def test_more_than_two_per_cent_of_the_money_rejected_stops_the_run(make_shop, refused, price, is_refused):
    """10,000.00 are good: 204.00 of 10,204.00 are less than 2 %, 204.09 of 10,204.09 are more."""
    if not is_refused:
        assert make_shop(f"A,c,soon,1,{price}").fates()["rejected", "E-DATE-1 ordered_at"] == 1
        return
    with refused(InputError, "E-DATE-1") as caught:
        make_shop(f"A,c,soon,1,{price}")
    assert "2.0% of the money" in caught.value.fix


def test_the_commonest_reason_is_told_and_only_the_first_rows_are_listed(make_shop, refused):
    lines = ["A,c,soon,1,0.00"] * 5 + [f"B{number},c,2024-01-31,many,0.00" for number in range(30)]
    with refused(InputError, "E-NUM-1") as caught:
        make_shop(*lines)
    assert caught.value.column == "quantity"
    assert caught.value.rows == ",".join(str(line) for line in range(7, 27)) + ",… (30 rows)"


def test_the_commonest_reason_may_begin_late(make_source, refused):
    text = "o,c,d,q,p\n" + "A,c,soon,1,1\n" * 10_001 + "".join(f"A{n},c,2024-01-31,x,1\n" for n in range(10_002))
    with refused(InputError, "E-NUM-1"):
        make_source(SHOP, {"orders-1.csv": text}).build()


def test_a_run_with_too_many_rejects_leaves_no_database(make_source, refused):
    source = make_source(SHOP, {"orders-1.csv": "o,c,d,q,p\nA,c,soon,1,1.00\n"})
    with refused(InputError, "E-DATE-1"):
        source.build()
    assert not source.folder.exists()


def test_a_ledger_that_lacks_a_row_is_no_proof(refused):
    ledger = pd.DataFrame({"file": ["a.csv", "a.csv"], "n_rows": [3, 4]})
    ledgers.prove(ledger, {"a.csv": 7})
    with refused(IntegrityError, "E-LED-1"):
        ledgers.prove(ledger, {"a.csv": 8})


def test_rows_after_the_month_are_out_of_its_window():
    months = ["2024-01", "2024-02", None, "2024-02"]
    ledger = pd.DataFrame({"fate": ["used", "used", "used", "rejected"], "ordered_month": months})
    assert list(ledgers.fates_at(ledger, "2024-01")["fate"]) == ["used", "out of window", "used", "rejected"]
    assert list(ledgers.fates_at(ledger, "2024-02")["fate"]) == ["used", "used", "used", "rejected"]


# --- golden ----------------------------------------------------------------------------------------------------------


def kinds(folder) -> dict[tuple, tuple]:
    """(kind, has customer) of the used rows → rows and money."""
    ledger = pd.read_parquet(folder / "ledger.parquet")
    sums = ledger[ledger["fate"] == "used"].groupby(["kind", "has_customer"])[["n_rows", "line_amount"]].sum()
    return {key: (int(row["n_rows"]), row["line_amount"]) for key, row in sums.iterrows()}


def fates(folder) -> dict[str, tuple]:
    ledger = pd.read_parquet(folder / "ledger.parquet")
    sums = ledger.groupby("fate")[["n_rows", "line_amount"]].sum()
    return {fate: (int(row["n_rows"]), row["line_amount"]) for fate, row in sums.iterrows()}


def test_uci_541909_lines_by_fate(online_retail):
    """UCI Online Retail: 5,268 exact duplicates of 21,740.98; 536,641 left, of which 3 adjustments."""
    found = fates(online_retail)
    assert {fate: n for fate, (n, _) in found.items()} == {"used": 536_638, "duplicate": 5_268, "excluded": 3}
    assert sum(n for n, _ in found.values()) == 541_909
    assert found["duplicate"][1] == Decimal("21740.98")


def test_uci_used_lines_by_kind(online_retail):
    """UCI Online Retail, exact duplicates removed; published: 8,887,208.89 gross of customers."""
    assert kinds(online_retail) == {
        ("sale", True): (392_692, Decimal("8887208.894")),
        ("return", True): (8_872, Decimal("-608689.470")),
        ("free", True): (40, Decimal(0)),
        ("sale", False): (132_185, Decimal("1743839.850")),
        ("return", False): (379, Decimal("-285290.260")),
        ("free", False): (1_134, Decimal(0)),
        ("stock", False): (1_336, Decimal(0)),
    }


def test_uci_with_duplicates_kept(online_retail_duplicates):
    """UCI Online Retail, published: 397,884 lines and 8,911,407.904 of customers."""
    assert kinds(online_retail_duplicates)["sale", True] == (397_884, Decimal("8911407.904"))
    assert fates(online_retail_duplicates)["used"][0] == 541_906


def test_cdnow_69659_orders(cdnow):
    """CDNOW, whole: 69,659 lines, 2,500,315.63."""
    assert fates(cdnow) == {"used": (69_659, Decimal("2500315.63"))}


def test_superstore_9994_lines(superstore):
    """Superstore: 9,994 lines, 2,297,200.8603."""
    assert fates(superstore) == {"used": (9_994, Decimal("2297200.8603"))}
