"""The ledger: rows and money of every file by what became of them, and the proof that nothing was lost."""

from __future__ import annotations

from decimal import Decimal

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.cleaning.profile import month_of
from crm_analysis.cleaning.rules import FILE_STEP, ORDER_TABLES, POSITION
from crm_analysis.engine import Table
from crm_analysis.errors import InputError, IntegrityError, row_list
from crm_analysis.language import mark
from crm_analysis.schema import CANONICAL, LEDGER
from crm_analysis.sources.records import Records

MAX_LEDGER_ROWS = 1_000_000
# Bad rows beyond these shares stop the run: a report on what is left would mislead.
MAX_REJECTED_ROWS_SHARE, MAX_REJECTED_MONEY_SHARE = 0.05, 0.02
WARN_REJECTED_ROWS_SHARE, WARN_REJECTED_MONEY_SHARE = 0.01, 0.005


def summarise_fates(rows: Table, name: str, files: list[str]) -> pd.DataFrame:
    """The ledger (schema.LEDGER) of the settled rows of one table."""
    shape, columns = CANONICAL[name], rows.collect_schema().names()
    nothing = nw.lit(None).cast(nw.String)
    groups = rows.select(
        file_number=nw.col(POSITION) // FILE_STEP,
        fate="_fate",
        reason="_why",
        kind=nw.col("kind") if name in ORDER_TABLES else nothing,
        has_customer=~nw.col("customer_id").is_null() if "customer_id" in columns else nw.lit(False),
        ordered_month=month_of(rows, name),
        line_amount=nw.col(shape.amount) if shape.amount in columns else nw.lit(0),
    )
    by = ["file_number", "fate", "reason", "kind", "has_customer", "ordered_month"]
    summed = groups.group_by(by).agg(nw.len().alias("n_rows"), nw.col("line_amount").sum())
    frame = engine.collect(summed.sort(by, nulls_last=True), MAX_LEDGER_ROWS)
    frame["table"] = name
    frame["file"] = [files[int(number)] for number in frame["file_number"]]
    frame["line_amount"] = [Decimal(0) if one is None else one for one in frame["line_amount"]]
    return LEDGER.frame(frame)


def broken_fates(name: str, file: str, records: Records) -> pd.DataFrame:
    """The ledger of the records that have not the header's number of cells."""
    fates = pd.Series([one.reason for one in records.broken], dtype=object).value_counts()
    rows = []
    for code, n in fates.items():
        fate, reason = ("blank", None) if code == "blank" else ("rejected", code)
        rows.append((name, file, fate, reason, None, False, None, n, Decimal(0)))
    return pd.DataFrame(rows, columns=list(LEDGER.columns))


def prove(ledger: pd.DataFrame, n_records: dict[str, int]) -> None:
    """Every record of every file of a table has exactly one fate. Raises IntegrityError E-LED-1."""
    for file, n in n_records.items():
        found = int(ledger.loc[ledger["file"] == file, "n_rows"].sum())
        if found != n:
            raise IntegrityError("E-LED-1", f"{n} records were read but {found} have a fate: report this", file=file)


def fates_at(ledger: pd.DataFrame, month: str) -> pd.DataFrame:
    """The ledger as a report on ``month`` sees it: rows dated later were read, but are out of its window."""
    later = (ledger["fate"] == "used") & (ledger["ordered_month"].fillna("") > month)
    return ledger.assign(fate=ledger["fate"].mask(later, "out of window"))


def shares_rejected(ledger: pd.DataFrame) -> tuple[float, float]:
    """The share of rows, and of money, that was rejected among what should have been used."""
    rejected = ledger[ledger["fate"] == "rejected"]
    in_question = ledger[ledger["fate"].isin(["used", "rejected"])]
    n, money = in_question["n_rows"].sum(), in_question["line_amount"].abs().sum()
    return (
        float(rejected["n_rows"].sum() / n) if n else 0.0,
        float(rejected["line_amount"].abs().sum() / money) if money else 0.0,
    )


def too_many_rejects(ledger: pd.DataFrame) -> bool:
    """Whether more rows or money of the table were rejected than a report can bear."""
    row_share, money_share = shares_rejected(ledger)
    return row_share > MAX_REJECTED_ROWS_SHARE or money_share > MAX_REJECTED_MONEY_SHARE


def commonest_reason(ledger: pd.DataFrame) -> str:
    """Why most of the rejected rows were rejected."""
    rejected = ledger[ledger["fate"] == "rejected"]
    return rejected.groupby("reason")["n_rows"].sum().sort_values(ascending=False).index[0]


def rejects_error(ledger: pd.DataFrame, reason: str, file: str, lines: list[int]) -> InputError:
    """What to say of a table with too many rejects: the reason, its first lines in the first file, and what to do."""
    row_share, money_share = shares_rejected(ledger)
    # The money of what could not be read is often not known.
    money = f" and {money_share:.1%} of the money" if money_share else ""
    code, _, column = reason.partition(" ")
    n = int(ledger.loc[(ledger["reason"] == reason) & (ledger["file"] == file), "n_rows"].sum())
    return InputError(
        code,
        f"{explain(reason)}; {row_share:.1%} of the rows{money} of the table {ledger['table'].iloc[0]} would be lost:"
        " mend the contract or the file",
        file=file,
        column=column or None,
        rows=row_list(lines, n),
    )


_EXPLAIN = {
    "E-ROW-1": mark("rows have more cells than the header, or a stray quotation mark joins lines"),
    "E-ROW-3": mark("rows have fewer cells than the header, or a stray quotation mark joins lines"),
    "E-ID-1": mark("the id is empty"),
    "E-FLAG-1": mark("the text is neither one of the contract's yes nor one of its no"),
    "E-NUM-1": mark("the text is not a number in the contract's decimal and thousands marks"),
    "E-NUM-2": mark("the number has more decimals than money_decimals or quantity_decimals"),
    "E-NUM-3": mark("the number is larger than max_amount"),
    "E-NUM-5": mark("the amount is negative and nothing marks a return: write returns, or negatives: return"),
    "E-NUM-6": mark("the number is negative"),
    "E-DATE-1": mark("the text is not a date in the contract's format"),
    "E-DATE-3": mark("the date is outside valid_dates"),
    "E-DATE-5": mark("a date is before the one that it must follow"),
    "E-EMPTY-1": mark("a column that must be filled is empty"),
    "E-KEY-1": mark("the number stands on several rows that differ: the last is used"),
    "E-ROW-7": mark("the row has neither a rating nor a text"),
    "E-PAY-1": mark("the invoice was paid before it was written: taken as paid in advance"),
    "E-PAY-2": mark("the amount of the invoice is negative: taken as a credit note"),
    "E-DEAL-1": mark("the deal is both won and lost"),
    "E-DEAL-2": mark("an open deal has a closing date: taken as hoped for, and left out"),
    "E-DEAL-3": mark("a deal that was won or lost has no closing date: it is in no month"),
    "E-DEAL-4": mark("the deal was entered after it was closed: when it began is taken as not known"),
    "E-STD-1": mark("the text is not what it should be: no valid number, address, date, province or country"),
    "E-STD-2": mark("more than ten customers share it, so that it tells nobody apart"),
    "E-DUP-4": mark("customers are taken for another: they are analysed as one"),
    "E-DUP-5": mark("pairs of customers may be one: a person should look"),
    "E-DUP-6": mark("too few customers to learn from who is one: only those that agree in a name and one more mark are merged"),
}


def explain(reason: str) -> str:
    """A reason such as ``E-NUM-1 quantity`` in words."""
    return _EXPLAIN.get(reason.partition(" ")[0], reason)
