"""What becomes of each row: one named rule per function, and every row gets exactly one fate.

The order of the rules is the order of their rank: blank, duplicate, excluded, rejected; what is left is used.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import narwhals as nw

from crm_analysis import engine
from crm_analysis.cleaning.amounts import PRECISION, fill_amounts
from crm_analysis.cleaning.consistency import NOTICE, check_consistency
from crm_analysis.cleaning.conversion import all_of, any_of, read_columns, seek, strip_blanks
from crm_analysis.cleaning.currencies import convert
from crm_analysis.cleaning.plan import ORDER_TABLES, Plan
from crm_analysis.cleaning.texts import REFUSED, Use, changed, spell
from crm_analysis.engine import Table
from crm_analysis.schema import CANONICAL
from crm_analysis.sources.contract import ColumnSource, Contract, Rule, TableContract
from crm_analysis.sources.records import CELL_STEP, LINE, Noticed
from crm_analysis.sources.totals import TOTAL_AMONG_CELLS, TOTAL_CELL

# Rows are known by file and line: position = file number · FILE_STEP + line, which in a melted table holds the cell too.
FILE_STEP = CELL_STEP << 16
# Columns of the cleaning itself begin with a _, as no column of a contract can.
POSITION, ROW_HASH, IS_BLANK = "_position", "_row_hash", "_is_blank"
_RULE = "_rule"


def line_of(position):
    """The physical line of a position, a whole number or an expression."""
    return position % CELL_STEP


def read_rows(
    text: Table,
    file_number: int,
    columns: list[str],
    plan: Plan,
    is_text: bool,
    epoch: date,
    rates: Table | None = None,
) -> Table:
    """A file's clean text (``_f0``, ``_f1``, … named ``columns`` in the file, ``_line``, and what cleaning.texts adds) → typed rows
    with what the fates need: ``_position``, ``_row_hash``, ``_is_blank``, ``_excluded`` and ``_reason`` (null, or why not), and
    for orders ``kind`` and the signed ``line_amount``, by ``rates`` in the currency of the source."""
    name, table, contract, uses = plan.name, plan.table, plan.contract, plan.uses
    place = {column: f"_f{number}" for number, column in enumerate(columns)}
    text = engine.add_row_hash(text, ROW_HASH, [place[column] for column in sorted(columns)])
    text = engine.add_is_blank(text, IS_BLANK, list(place.values()))
    for column in plan.columns:
        if column not in place:
            place[column] = f"_f{len(place)}"
            text = text.with_columns(nw.lit("").alias(place[column]), nw.lit(False).alias(changed(place[column])))
    if table.fill_down:
        text = fill_down(text, place[table.fill_down.within], [place[one] for one in table.fill_down.columns])
    rules = {
        f"{_RULE}{number}": _applies(place[column], rule, uses[column], contract)
        for number, (rule, column) in enumerate(plan.rules)
    }
    text = text.with_columns((nw.lit(file_number * FILE_STEP) + nw.col(LINE)).cast(nw.Int64).alias(POSITION), **rules)
    targets = [
        replace(target, source=replace(target.source, column=None, columns=tuple(map(place.get, target.source.names))))
        for target in plan.targets
    ]
    flags = [changed(place[one]) for one, use in uses.items() if use.is_id or use.is_text]
    rows = read_columns(text, targets, contract, table.format, is_text, epoch)
    rows = refuse_totals(rows, list(place.values()), name, table).drop([*place.values(), LINE, *flags, REFUSED])
    rows = seek(exclude(rows, table), sought(table))
    if name in ORDER_TABLES:
        rows = fill_amounts(rows, table, contract)
        rows = sign_amounts(rows, table, contract)
        if "currency" in table.columns:
            rows = convert(rows, name, table, contract, rates)
        rows = classify(rows)
        rows = refuse_amounts(rows, table, contract)
    return check_consistency(rows, name).drop(list(rules))


def fill_down(text: Table, within: str, columns: list[str]) -> Table:
    """Empty cells as those of the row before, among the rows of one text in ``within``."""
    filled = {one: nw.when(strip_blanks(nw.col(one)) != "").then(nw.col(one)) for one in columns}
    text = text.with_columns(**filled)
    return text.with_columns(
        nw.col(one).fill_null(strategy="forward").over(within, order_by=LINE).fill_null("") for one in columns
    )


def sought(table: TableContract) -> dict[str, ColumnSource]:
    """The attributes that are found in a text."""
    return {name: table.sources[name] for name in table.attributes if table.sources[name].is_sought}


def _applies(column: str, rule: Rule, use: Use, contract: Contract) -> nw.Expr:
    if rule.prefix is not None:
        return nw.col(column).str.starts_with(*spell([rule.prefix], use, contract.ids))
    return nw.col(column).is_in(spell(rule.values, use, contract.ids))


def refuse_totals(rows: Table, cells: list[str], name: str, table: TableContract) -> Table:
    """A line that sums up others: a word for it stands where an id must, or anywhere in a row that lacks an id or cannot be
    read. A customer's id may be such a word where the rows have another id."""
    shape = CANONICAL[name]
    ids = [one for one in table.columns if shape.columns[one].type == "id"]
    ids = [one for one in ids if one in shape.key or one != "customer_id"] or ids
    lacks = ~nw.col("_reason").is_null() | any_of([nw.col(one).is_null() for one in ids])
    joined = nw.concat_str([nw.col(cell) for cell in cells], separator="\n")
    # No word for a total begins with a digit, as many ids do: these are not searched.
    may_be_word = {one: (nw.col(one) < "0") | (nw.col(one) >= ":") for one in ids}
    is_word = any_of(
        [nw.when(may_be).then(nw.col(one).str.contains(TOTAL_CELL)) for one, may_be in may_be_word.items()]
    )
    is_total = nw.when(lacks).then(joined.str.contains(TOTAL_AMONG_CELLS)).otherwise(is_word)
    return rows.with_columns(_reason=nw.when(is_total).then(nw.lit("E-ROW-4")).otherwise(nw.col("_reason")))


def exclude(rows: Table, table: TableContract) -> Table:
    """Rows that the contract puts aside, with its reason in ``_excluded``."""
    reasons = [
        nw.when(nw.col(f"{_RULE}{number}")).then(nw.lit(rule.reason)) for number, rule in enumerate(table.exclude)
    ]
    return rows.with_columns(_excluded=nw.coalesce(*reasons, nw.lit(None).cast(nw.String)))


def sign_amounts(rows: Table, table: TableContract, contract: Contract) -> Table:
    """``line_amount``, exact: as exported, or quantity times price; of a marked return always negative."""
    if "line_amount" in table.columns:
        amount = nw.col("line_amount")
    elif "order_amount" in table.columns:
        amount = nw.col("order_amount")
    else:
        # Wide enough for any product; what comes out too large is refused below.
        amount = nw.col("quantity").cast(nw.Decimal(38, contract.quantity_decimals)) * nw.col("unit_price")
    is_return = nw.col(f"{_RULE}{len(table.exclude)}") if table.returns else nw.lit(False)
    rows = rows.with_columns(line_amount=amount, _is_return=is_return)
    rows = engine.parse_decimals(rows, {"line_amount": (PRECISION, amount_decimals(contract, table))})
    signed = {"line_amount": nw.when("_is_return").then(-nw.col("line_amount").abs()).otherwise(nw.col("line_amount"))}
    if "quantity" in table.columns:
        signed["quantity"] = nw.when("_is_return").then(-nw.col("quantity").abs()).otherwise(nw.col("quantity"))
    return rows.with_columns(**signed)


def amount_decimals(contract: Contract, table: TableContract) -> int:
    """The decimals that amounts of a table can have: those of prices and of quantities together where multiplied."""
    multiplied = "line_amount" not in table.columns and "order_amount" not in table.columns
    return contract.decimals + (contract.quantity_decimals if multiplied else 0)


def classify(rows: Table) -> Table:
    """``kind`` of a row, see schema.KINDS; a negative amount that nothing marks is a return if the contract lets it."""
    amount = nw.col("line_amount")
    is_stock = nw.col("quantity") < 0 if "quantity" in rows.columns else nw.lit(False)
    return rows.with_columns(
        kind=nw.when(nw.col("_is_return") | (amount < 0))
        .then(nw.lit("return"))
        .when(amount > 0)
        .then(nw.lit("sale"))
        .when(is_stock)
        .then(nw.lit("stock"))
        .when(amount == 0)
        .then(nw.lit("free"))
    )


def refuse_amounts(rows: Table, table: TableContract, contract: Contract) -> Table:
    """An amount above ``max_amount``, and a negative one that no rule marks as a return (unless ``negatives: return``)."""
    amount = nw.col("line_amount")
    too_large = amount.is_null() | (amount > contract.max_amount) | (amount < -contract.max_amount)
    reasons = [nw.when(too_large).then(nw.lit("E-NUM-3 line_amount"))]
    if table.negatives != "return":
        reasons.append(nw.when((amount < 0) & ~nw.col("_is_return")).then(nw.lit("E-NUM-5 line_amount")))
    return rows.with_columns(_reason=nw.coalesce(nw.col("_reason"), *reasons)).drop("_is_return")


def find_duplicates(rows: Table, name: str, table: TableContract) -> Table:
    """``_is_duplicate``: the row stands, in all columns of the file, before; or its key does in a row that counts. Of records
    that are exported again when they change, those with a date, the last row of a key counts, and a notice tells of those that
    differ; of customers and the like the first."""
    shape = CANONICAL[name]
    readable = ~nw.col(IS_BLANK) & nw.col("_reason").is_null()
    key = list(shape.key) if set(shape.key) <= set(table.columns) else []
    has_key = all_of([~nw.col(one).is_null() for one in key]) & nw.col("_excluded").is_null() if key else nw.lit(False)
    is_last = bool(shape.dated_by)
    notice = f"{NOTICE}E-KEY-2 {', '.join(key)}"
    found = []
    if table.drops_duplicates:
        by = [ROW_HASH, *(("line_amount", "ordered_at") if name in ORDER_TABLES else ())]
        of_file = rows.filter(readable & ~has_key if is_last else readable)
        # Equal rows have equal hashes, and to count these alone is faster: few rows are left to compare.
        hashes = engine.materialise(_repeated(of_file, [ROW_HASH]))
        found.append(_find_repeated(of_file.join(hashes, on=ROW_HASH, how="semi"), by, nw.col(POSITION).min()))
    if key:
        position = nw.col(POSITION).max() if is_last else nw.col(POSITION).min()
        found.append(_find_repeated(rows.filter(readable & has_key), key, position))
    if not found:
        return rows.with_columns(_is_duplicate=nw.lit(False))
    flags = nw.concat(found).group_by(POSITION).agg(nw.col("_is_duplicate").max(), nw.col("_differs").max())
    rows = rows.join(engine.materialise(flags), on=POSITION, how="left")
    differs = {notice: (~nw.col("_is_duplicate") & nw.col("_differs")).fill_null(False)} if key and is_last else {}
    return rows.with_columns(nw.col("_is_duplicate").fill_null(False), **differs).drop("_differs")


def _repeated(rows: Table, by: list[str], *more: nw.Expr) -> Table:
    """The values of ``by`` that several rows have, and what ``more`` tells of these rows."""
    return rows.group_by(by).agg(nw.len().alias("_n"), *more).filter(nw.col("_n") > 1).drop("_n")


def _find_repeated(rows: Table, by: list[str], kept: nw.Expr) -> Table:
    """Rows that are equal in ``by``, a small table: whether another of them is kept, and whether the files' rows differ."""
    differs = (nw.col(ROW_HASH).min() != nw.col(ROW_HASH).max()).alias("_differs")
    groups = _repeated(rows, by, kept.alias("_kept"), differs)
    return rows.join(groups, on=by).select(POSITION, "_differs", _is_duplicate=nw.col(POSITION) != nw.col("_kept"))


def notice_repetitions(used: Table) -> list[Noticed]:
    """Equal rows that are all used, for nothing tells a repetition from a second purchase (E-DUP-8)."""
    repeated = used.group_by(ROW_HASH).agg(n=nw.len()).filter(nw.col("n") > 1)
    n = engine.collect(repeated.select((nw.col("n") - 1).sum().alias("n")), 1).iloc[0, 0]
    return [Noticed("E-DUP-8", None, int(n))] if n else []


def settle(rows: Table) -> Table:
    """``_fate`` and ``_why`` of each row."""
    excluded, reason = nw.col("_excluded"), nw.col("_reason")
    fate = (
        nw.when(IS_BLANK)
        .then(nw.lit("blank"))
        .when("_is_duplicate")
        .then(nw.lit("duplicate"))
        .when(~excluded.is_null())
        .then(nw.lit("excluded"))
        .when(~reason.is_null())
        .then(nw.lit("rejected"))
        .otherwise(nw.lit("used"))
    )
    rows = rows.with_columns(_fate=fate)
    why = nw.when(nw.col("_fate") == "excluded").then(excluded).when(nw.col("_fate") == "rejected").then(reason)
    return rows.with_columns(_why=why).drop(IS_BLANK, "_is_duplicate", "_excluded", "_reason")
