"""Action lists: CSV for machines, a workbook for people, and one of all methods. Ids are exactly the source's, and
nothing can become a formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path

import narwhals as nw
import pandas as pd
import xlsxwriter

from crm_analysis import engine, language
from crm_analysis.engine import FORMULA, NUMBER, Table
from crm_analysis.language import _, mark
from crm_analysis.report.elements import head, is_missing
from crm_analysis.schema import PRIORITIES, SIDES, Column, Shape

HELD_BACK = ".held-back.txt"
WIDTHS = {"action": 58, "reason": 46, "segment": 20, "stance": 13, "priority": 11, "customer_id": 16}
FORMATS = {
    "id": "@", "text": "@", "label": "@", "money": "#,##0.00", "integer": "#,##0", "fraction": "#,##0.00",
    "quantity": "#,##0.0",
}  # fmt: skip
# A cell of a workbook holds 32,767 units of 16 bits, of which a letter may need two.
MAX_LETTERS = 16_000
AGREE, DISAGREE, ALONE = mark("they agree"), mark("they disagree"), mark("one report only")
_SHARES = ("_share", "_rate", "_prob")


@dataclass(frozen=True)
class Listed:
    """What became of a list: its rows, those of the workbook, those held back from the CSV, and of each priority."""

    n_rows: int
    listed: int
    held_back: int
    by_priority: dict[int, int]
    n_disagree: int = 0


@dataclass(frozen=True)
class Title:
    """What a workbook's second sheet says of where the list comes from."""

    name: str
    company: str
    month: str
    currency: str


def write_actions(actions: Table, shape: Shape, path: Path, title: Title, list_rows: int) -> Listed:
    """Write all rows to ``path`` (.csv), but for those that a spreadsheet could take for a formula (.held-back.txt), and
    the first ``list_rows``, these included, to a workbook beside it (.xlsx). Raises ValueError where the list is not of the
    shape or has a priority beyond the scale."""
    shape.check(actions.collect_schema().names())
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [nw.col(name) for name, one in shape.columns.items() if one.type in ("id", "text")]
    is_formula = reduce(or_, [_is_formula(one) for one in texts])
    disagrees = nw.col("agreement") == DISAGREE if "agreement" in shape.columns else nw.lit(False)
    flags = actions.select("priority", held_back=is_formula.cast(nw.Int64), disagree=disagrees.cast(nw.Int64))
    sums = flags.group_by("priority").agg(nw.len().alias("n"), nw.col("held_back", "disagree").sum().cast(nw.Int64))
    counts = engine.collect(sums.sort("priority"), len(PRIORITIES) + 1).set_index("priority")
    if not set(counts.index) <= set(PRIORITIES):
        raise ValueError(f"priorities are {list(PRIORITIES)}, found {list(counts.index)}")
    # Of the sorted table itself: one that is computed before has no order that the engine keeps.
    engine.write_csv(actions.filter(~is_formula), path)
    aside, n_held = path.with_suffix(HELD_BACK), int(counts["held_back"].sum())
    aside.unlink(missing_ok=True)
    if n_held:
        engine.write_csv(actions.filter(is_formula), aside)
    frame = engine.collect(actions.head(list_rows), list_rows)
    listed = Listed(
        n_rows=int(counts["n"].sum()), listed=len(frame), held_back=n_held, n_disagree=int(counts["disagree"].sum()),
        by_priority={int(one): int(n) for one, n in counts["n"].items()},
    )  # fmt: skip
    _write_workbook(frame, shape, path.with_suffix(".xlsx"), title, listed)
    return listed


def _is_formula(text: nw.Expr) -> nw.Expr:
    return (text.str.contains(FORMULA) & ~text.str.contains(NUMBER)).fill_null(False)


# --- one list of all methods -----------------------------------------------------------------------------------------


def merge_actions(lists: Mapping[str, Table]) -> tuple[Table, Shape]:
    """One row per customer from the methods' lists, in the methods' order: the most urgent advice (of equals that which
    is expected to be worth most, where unknown nothing, then the first method's), whether the methods agree about the
    customer, and what each of them advises."""
    common = ("customer_id", "priority", "stance", "action", "reason", "expected_amount")
    advice = nw.concat(
        [
            table.select(*common).with_columns(
                nw.col("priority").cast(nw.Int64), nw.col("expected_amount").cast(nw.Decimal(18, 2)),
                method=nw.lit(name), _place=nw.lit(place),
            )
            for place, (name, table) in enumerate(lists.items())
        ]
    )  # fmt: skip
    side = reduce(
        lambda rest, one: nw.when(nw.col("stance") == one[0]).then(nw.lit(one[1])).otherwise(rest),
        SIDES.items(),
        nw.lit(0),
    )
    advice = advice.with_columns(
        _side=side, _less=-nw.col("expected_amount").fill_null(0), _one=nw.lit(1),
        _short=engine.sentence("{priority} · {action}", priority=nw.col("priority"), action=nw.col("action")),
    )  # fmt: skip
    order = nw.col("_one").cum_sum().over("customer_id", order_by=["priority", "_less", "_place"])
    advice = engine.materialise(advice.with_columns(_order=order))
    by_customer = advice.group_by("customer_id").agg(
        n_methods=nw.len().cast(nw.Int64),
        _least=nw.col("_side").min(),
        _most=nw.col("_side").max(),
        **{name: nw.when(nw.col("method") == name).then("_short").max() for name in lists},
    )
    first = advice.filter(nw.col("_order") == 1).select(*common, "method", "_less")
    merged = first.join(by_customer, on="customer_id", how="inner").with_columns(
        agreement=nw.when(nw.col("n_methods") == 1).then(nw.lit(ALONE))
        .when(nw.col("_least") == nw.col("_most")).then(nw.lit(AGREE)).otherwise(nw.lit(DISAGREE))
    )  # fmt: skip
    columns = {
        "customer_id": Column("id", "customer"),
        "priority": Column("integer", "priority, 1 first"),
        "stance": Column("label", "aim"),
        "action": Column("text", "what to do"),
        "reason": Column("text", "why"),
        "expected_amount": Column(
            "money", "expected value", detail=mark("expected value, as the report that gives the advice has it")
        ),
        "method": Column("id", "report that gives the advice"),
        "n_methods": Column("integer", "reports with advice"),
        "agreement": Column(
            "label", "agreement", detail=mark("whether they agree: gone, still there, or not worth the effort")
        ),
        **{name: Column("text", _("advice of {report}").format(report=name)) for name in lists},
    }
    shape = Shape("one row per customer, the most urgent first", columns)
    return merged.sort("priority", "_less", "customer_id").select(*columns), shape


# --- the workbook ----------------------------------------------------------------------------------------------------


def _write_workbook(frame: pd.DataFrame, shape: Shape, path: Path, title: Title, listed: Listed) -> None:
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(path, options) as book:
        # A fixed time of making: the same list is the same file.
        book.set_properties({"created": pd.Timestamp("2000-01-01").to_pydatetime()})
        bold = book.add_format(
            {"bold": True, "bg_color": "#1f5f8b", "font_color": "#ffffff", "text_wrap": True, "valign": "vcenter"}
        )
        _write_list(book, bold, frame, shape, title.currency)
        _write_about(book, bold, shape, title, listed)


def _write_list(book: xlsxwriter.Workbook, bold: object, frame: pd.DataFrame, shape: Shape, currency: str) -> None:
    sheet = book.add_worksheet(_("Actions"))
    for place, (name, column) in enumerate(shape.columns.items()):
        written = "0.0%" if name.endswith(_SHARES) else FORMATS[column.type]
        style = book.add_format({"num_format": written, "valign": "top", "text_wrap": column.type == "text"})
        sheet.write_string(0, place, head(column, currency), bold)
        sheet.set_column(place, place, WIDTHS.get(name, 30 if column.type == "text" else 14), style)
        for row, value in enumerate(frame[name], 1):
            if is_missing(value):
                continue
            if isinstance(value, str):
                text = _(value) if column.type == "label" else language.own(value, column.own)
                sheet.write_string(row, place, text[:MAX_LETTERS] + "…" * (len(text) > MAX_LETTERS), style)
            else:
                sheet.write_number(row, place, float(value), style)
    sheet.freeze_panes(1, 1)
    sheet.set_row(0, 34)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_footer("&C&P / &N")
    if not len(frame):
        return
    sheet.autofilter(0, 0, len(frame), len(shape.columns) - 1)
    names = list(shape.columns)
    _shade(book, sheet, len(frame), names.index("priority"), {1: "#f8d7c9", 2: "#fdebd0"})
    if "agreement" in shape.columns:
        _shade(book, sheet, len(frame), names.index("agreement"), {f'"{_(DISAGREE)}"': "#fdebd0"})


def _shade(book: xlsxwriter.Workbook, sheet: object, n: int, place: int, colours: Mapping[object, str]) -> None:
    """Shade the cells of a column that hold these values; they say it in words or a number, too."""
    for value, colour in colours.items():
        style = book.add_format({"bg_color": colour})
        sheet.conditional_format(
            1, place, n, place, {"type": "cell", "criteria": "==", "value": value, "format": style}
        )


def _write_about(book: xlsxwriter.Workbook, bold: object, shape: Shape, title: Title, listed: Listed) -> None:
    """The sheet that explains the list: where it comes from, its columns, and the scale of its priorities."""
    sheet = book.add_worksheet(_("About the columns"))
    wrap = book.add_format({"text_wrap": True, "valign": "top", "num_format": "@"})
    for place, width in enumerate((34, 24, 70)):
        sheet.set_column(place, place, width, wrap)
    facts = [
        (_("list"), title.name),
        (_("company"), title.company),
        (_("period"), title.month),
        (_("customers"), language.integer(listed.n_rows)),
        (_("of these in this workbook"), language.integer(listed.listed)),
    ]
    if listed.held_back:
        facts.append(
            (
                _("held back from the CSV, for a spreadsheet could take them for formulas"),
                language.integer(listed.held_back),
            )
        )
    if "agreement" in shape.columns:
        facts.append((_("customers about whom the reports disagree"), language.integer(listed.n_disagree)))
    rows: Sequence[tuple[tuple[str, ...], bool]] = [
        *((fact, False) for fact in facts),
        ((), False),
        ((_("column"), _("name in the CSV"), _("meaning")), True),
        *(
            ((head(one, title.currency), name, _(one.detail or one.meaning)), False)
            for name, one in shape.columns.items()
        ),
        ((), False),
        ((_("priority"), _("meaning")), True),
        *(((str(number), _(text)), False) for number, text in PRIORITIES.items()),
        ((), False),
        ((_("aim"), _("name in the CSV")), True),
        *(((_(stance), stance), False) for stance in SIDES),
    ]
    for row, (cells, is_head) in enumerate(rows):
        for place, text in enumerate(cells):
            sheet.write_string(row, place, text, bold if is_head else wrap)
