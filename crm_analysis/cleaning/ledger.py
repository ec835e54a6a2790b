"""The ledger: rows and money of every file by what became of them, and the proof that nothing was lost."""

from __future__ import annotations

from decimal import Decimal

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.cleaning.amounts import AMOUNTS
from crm_analysis.cleaning.profile import month_of, told_month
from crm_analysis.cleaning.rules import FILE_STEP, ORDER_TABLES, POSITION, ROW_HASH
from crm_analysis.engine import Table
from crm_analysis.errors import InputError, IntegrityError, row_list
from crm_analysis.language import mark
from crm_analysis.schema import CANONICAL, LEDGER
from crm_analysis.sources.contract import TableContract
from crm_analysis.sources.records import Noticed, Records

MAX_LEDGER_ROWS = 1_000_000
# Bad rows beyond these shares stop the run: a report on what is left would mislead.
MAX_REJECTED_ROWS_SHARE, MAX_REJECTED_MONEY_SHARE = 0.05, 0.02
# A few unmarked returns, or a few moments still to come, are slips; more are another way of writing.
MAX_UNMARKED_SHARE, MAX_FUTURE_SHARE, MAX_SWAPPED_SHARE = 0.005, 0.01, 0.01
# One or two days in the month's place tell nothing of the others.
MIN_SWAPPED = 3
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
        row=ROW_HASH,
    )
    by = ["file_number", "fate", "reason", "kind", "has_customer", "ordered_month"]
    # What an order's line says of a refund is money of its own, but no row of the file: it has no hash.
    summed = groups.group_by(by).agg(nw.col("row").count().alias("n_rows"), nw.col("line_amount").sum())
    summed = summed.with_columns(ordered_month=told_month("ordered_month"))
    frame = engine.collect(summed.sort(by, nulls_last=True), MAX_LEDGER_ROWS)
    frame["table"] = name
    frame["file"] = [files[int(number)] for number in frame["file_number"]]
    frame["line_amount"] = pd.Series(engine.or_zero(frame["line_amount"]), frame.index, dtype=object)
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


def _lost(ledger: pd.DataFrame) -> pd.Series:
    """What was rejected and should have been used: not the rows that sum up others, whose money is in those."""
    return ledger["fate"].eq("rejected") & ledger["reason"].ne("E-ROW-4")


def shares_rejected(ledger: pd.DataFrame) -> tuple[float, float]:
    """The share of rows, and of money, that was rejected among what should have been used."""
    rejected = ledger[_lost(ledger)]
    in_question = ledger[_lost(ledger) | ledger["fate"].eq("used")]
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
    rejected = ledger[_lost(ledger)]
    return rejected.groupby("reason")["n_rows"].sum().sort_values(ascending=False).index[0]


def stopping_reason(ledger: pd.DataFrame, table: TableContract) -> str | None:
    """For what the run must stop, if anything: too many rejects in all, or too many of a kind that tells of a wrong contract."""
    bounds = {"E-CUR-1": 0.0, "E-DATE-4": MAX_FUTURE_SHARE}
    if table.negatives is None:
        bounds["E-NUM-5"] = MAX_UNMARKED_SHARE
    if table.conflicts == "stop":
        bounds["E-KEY-1"] = 0.0
    found = [frequent_reason(ledger, code, bound) for code, bound in bounds.items()]
    return next((one for one in found if one), commonest_reason(ledger) if too_many_rejects(ledger) else None)


def frequent_reason(ledger: pd.DataFrame, code: str, bound: float, least: int = 1) -> str | None:
    """The commonest reason with this code, where more than this share of the rows, and ``least``, are rejected for it."""
    n = ledger.loc[ledger["fate"].isin(["used", "rejected"]), "n_rows"].sum()
    codes = ledger["reason"].map(lambda reason: str(reason).partition(" ")[0])
    known = ledger[(ledger["fate"] == "rejected") & (codes == code)]
    return commonest_reason(known) if known["n_rows"].sum() >= least and known["n_rows"].sum() > bound * n else None


def notice_derived(completeness: pd.DataFrame) -> list[Noticed]:
    """Amounts that follow from others (E-FILL-1), and rows whose amounts were converted (E-CUR-4), of one table's completeness."""
    codes = {**dict.fromkeys(AMOUNTS, "E-FILL-1"), "currency": "E-CUR-4"}
    derived = completeness[completeness["column"].isin(codes)].groupby("column")["n_repaired"].sum()
    return [Noticed(codes[column], column, int(n)) for column, n in derived.items() if n]


def rejects_error(ledger: pd.DataFrame, reason: str, file: str, lines: list[int], hint: str = "") -> InputError:
    """What to say of a table with too many rejects: the reason, its first lines in the first file, and what to do."""
    row_share, money_share = shares_rejected(ledger)
    # The money of what could not be read is often not known.
    money = f" and {money_share:.1%} of the money" if money_share else ""
    code, _, column = reason.partition(" ")
    n = int(ledger.loc[(ledger["reason"] == reason) & (ledger["file"] == file), "n_rows"].sum())
    return InputError(
        code,
        f"{explain(reason)}; {hint}{row_share:.1%} of the rows{money} of the table {ledger['table'].iloc[0]} would be lost:"
        " mend the contract or the file",
        file=file,
        column=column or None,
        rows=row_list(lines, n),
    )


_EXPLAIN = {
    "E-ROW-1": mark("rows have more cells than the header, or a stray quotation mark joins lines"),
    "E-ROW-3": mark("rows have fewer cells than the header, or a stray quotation mark joins lines"),
    "E-ROW-4": mark("the row sums up other rows"),
    "E-ROW-5": mark("a stray quotation mark joins lines"),
    "E-CTRL-1": mark("the row holds NUL bytes"),
    "E-ENC-2": mark("texts were read in a wrong encoding before they were exported: export them as UTF-8"),
    "E-FILE-3": mark("the last line is cut off: export the file again"),
    "E-FILE-7": mark("the file ends with an end mark of old systems (Ctrl-Z), which is left out"),
    "E-DUP-1": mark("the file has the same content as another one: its rows count once"),
    "E-HDR-3": mark("columns have no name in the header, and are left out"),
    "E-HDR-4": mark("above the header stands a line that names the delimiter"),
    "E-HDR-5": mark("the contract does not name these columns: they are left out"),
    "E-XLS-1": mark("the formula in the cell was never computed: open the workbook, save it, and export again"),
    "E-XLS-2": mark("the cell shows an error of the spreadsheet, such as #N/A"),
    "E-XLS-3": mark("cells are merged: only the first of them has the value"),
    "E-XLS-5": mark("rows, or the whole sheet, are hidden in the workbook; they are read all the same"),
    "E-ID-2": mark("some ids are numbers, others text: zeros in front may be lost; format the column as text"),
    "E-ID-1": mark("the id is empty"),
    "E-FLAG-1": mark("the text is neither one of the contract's yes nor one of its no"),
    "E-NUM-1": mark("the text is not a number in the contract's decimal and thousands marks"),
    "E-NUM-2": mark("the number has more decimals than money_decimals or quantity_decimals"),
    "E-NUM-3": mark("the number is larger than max_amount"),
    "E-NUM-5": mark(
        "the amount is negative and nothing marks a return: write returns, negatives: return, or negatives: reject"
    ),
    "E-NUM-6": mark("the number is negative"),
    "E-DATE-1": mark("the text is not a date in the contract's format"),
    "E-DATE-3": mark("the date is outside valid_dates"),
    "E-DATE-5": mark("a date is before the one that it must follow"),
    "E-EMPTY-1": mark("a column that must be filled is empty"),
    "E-KEY-2": mark("the number stands on several rows that differ: the last is used"),
    "E-ROW-7": mark("the row has neither a rating nor a text"),
    "E-PAY-1": mark("the invoice was paid before it was written: taken as paid in advance"),
    "E-PAY-2": mark("the amount of the invoice is negative: taken as a credit note"),
    "E-DEAL-1": mark("the deal is both won and lost"),
    "E-DEAL-2": mark("an open deal has a closing date: taken as hoped for, and left out"),
    "E-DEAL-3": mark("a deal that was won or lost has no closing date: it is in no month"),
    "E-DEAL-4": mark("the deal was entered after it was closed: when it began is taken as not known"),
    "E-DATE-4": mark("the moment is more than a day after covers_until: mend it, or move covers_until"),
    "E-ID-3": mark("ids that differ only by zeros before them: kept apart, though 007 and 7 may be one"),
    "E-ID-4": mark(
        "the id is a number that a spreadsheet has cut: format the column as text, or write ids: {exponents: keep}"
    ),
    "E-ID-5": mark("ids that differ only by capital letters: kept apart, unless the contract says ids: {case: fold}"),
    "E-CTRL-2": mark("the text has half of a character, which cannot be shown"),
    "E-CTRL-3": mark("control characters in texts became �, characters that nobody sees were taken out"),
    "E-LEN-1": mark("the text is longer than its column may be"),
    "E-NUM-7": mark("the number is not above zero"),
    "E-CUR-1": mark("the amount is in another currency: map the column currency and give the table rates"),
    "E-CUR-2": mark("the amount has no currency"),
    "E-CUR-3": mark("no rate of the currency is as old as the order"),
    "E-CUR-4": mark(
        "amounts of other currencies were converted by the rates of their days and rounded once, half to even"
    ),
    "E-FILL-1": mark("the value was empty and follows exactly from quantity, price and amount of its line"),
    "E-KEY-1": mark(
        "rows of one key differ, or an order number has several customers: write conflicts: keep if so be it"
    ),
    "E-DUP-8": mark("rows without an id of their own are equal: all are used"),
    "E-REF-1": mark("returns without an order before them, or larger than it: all are used"),
    "E-REF-2": mark("the customers of these orders are not in the table of customers"),
    "E-REF-3": mark("these customers have no order"),
    "E-STD-1": mark("the text is not what it should be: no valid number, address, date, province or country"),
    "E-STD-2": mark("more than ten customers share it, so that it tells nobody apart"),
    "E-DUP-4": mark("customers are taken for another: they are analysed as one"),
    "E-DUP-5": mark("pairs of customers may be one: a person should look"),
    "E-DUP-6": mark(
        "too few customers to learn from who is one: only those that agree in a name and one more mark are merged"
    ),
}


def explain(reason: str) -> str:
    """A reason such as ``E-NUM-1 quantity`` in words."""
    return _EXPLAIN.get(reason.partition(" ")[0], reason)
