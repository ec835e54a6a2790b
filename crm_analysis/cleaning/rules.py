"""What becomes of each row: one named rule per function, and every row gets exactly one fate.

The order of the rules is the order of their rank: blank, duplicate, excluded, rejected; what is left is used.
"""

from __future__ import annotations

import narwhals as nw

from crm_analysis import engine
from crm_analysis.cleaning.conversion import PRECISION, Target, any_of, read_columns
from crm_analysis.engine import Table
from crm_analysis.schema import CANONICAL, Column
from crm_analysis.sources.contract import ColumnSource, Contract, Rule, TableContract
from crm_analysis.sources.records import LINE

# Rows are known by file and line: position = file number · FILE_STEP + line.
FILE_STEP = 1 << 40
POSITION, ROW_HASH, IS_BLANK = "position", "row_hash", "is_blank"
_RULE = "rule:"


def plan_targets(name: str, contract: Contract) -> list[Target]:
    """The columns to be read from a table's files: its own, and those that other tables take ``from`` it, which are
    named ``<table>.<column>``."""
    table, shape = contract.tables[name], CANONICAL[name]
    amounts = ("line_amount",) if "line_amount" in table.columns else ("quantity", "unit_price", "order_amount")
    required = {*shape.key, *(set(shape.required) - {"customer_id"}), *amounts}
    targets = [
        Target(column, shape.columns.get(column, Column("text", "attribute")), source, column in required)
        for column, source in table.sources.items()
    ]
    for other_name, other in contract.tables.items():
        if other.from_ == name:
            targets += [
                Target(
                    f"{other_name}.{column}",
                    CANONICAL[other_name].columns.get(column, Column("text", "attribute")),
                    source,
                    False,
                )
                for column, source in other.sources.items()
            ]
    return targets


def source_columns(name: str, contract: Contract) -> list[str]:
    """The file's columns that the contract speaks of."""
    named = [column for target in plan_targets(name, contract) for column in target.source.names]
    named += [_rule_source(rule, contract.tables[name]).column for rule in _rules(contract.tables[name])]
    return list(dict.fromkeys(named))


def read_rows(text: Table, file_number: int, columns: list[str], name: str, contract: Contract, is_text: bool) -> Table:
    """A file's text → typed rows with what the fates need: ``position``, ``row_hash``, ``is_blank``, ``excluded`` and
    ``reason`` (null, or why not), and for orders ``kind`` and the signed amount."""
    table = contract.tables[name]
    text = engine.add_row_hash(text, ROW_HASH, columns)
    text = engine.add_is_blank(text, IS_BLANK, columns)
    rules = {f"{_RULE}{number}": _applies(_rule_source(rule, table), rule) for number, rule in enumerate(_rules(table))}
    text = text.with_columns(nw.lit(file_number * FILE_STEP).cast(nw.Int64).alias(POSITION), **rules)
    text = text.with_columns(nw.col(POSITION) + nw.col(LINE))
    targets = plan_targets(name, contract)
    # A canonical name may be the name of another column of the file: set the file's own aside first.
    wanted = list(dict.fromkeys(one for target in targets for one in target.source.names))
    text = text.select(*[nw.col(one).alias(f"file:{one}") for one in wanted], POSITION, ROW_HASH, IS_BLANK, *rules)
    targets = [_renamed(target) for target in targets]
    rows = read_columns(text, targets, contract, table.format, is_text)
    rows = rows.drop([f"file:{one}" for one in wanted])
    rows = exclude(rows, table)
    if name in ("order_lines", "orders"):
        rows = sign_amounts(rows, table, contract)
        rows = classify(rows)
        rows = refuse_negative(rows, table)
    return rows.drop(list(rules))


def _renamed(target: Target) -> Target:
    names = tuple(f"file:{one}" for one in target.source.names)
    source = ColumnSource(
        columns=names, strip_prefix=target.source.strip_prefix, strip_suffix=target.source.strip_suffix
    )
    return Target(target.name, target.column, source, target.is_required)


def _rules(table: TableContract) -> list[Rule]:
    return [*table.exclude, *([table.returns.rule] if table.returns else [])]


def _rule_source(rule: Rule, table: TableContract) -> ColumnSource:
    """A rule names a canonical column or one of the file's."""
    source = table.sources.get(rule.column, ColumnSource(column=rule.column))
    return ColumnSource(column=source.names[0])


def _applies(source: ColumnSource, rule: Rule) -> nw.Expr:
    text = nw.col(source.column).str.strip_chars(" ")
    return text.str.starts_with(rule.prefix) if rule.prefix is not None else text.is_in(rule.values)


def exclude(rows: Table, table: TableContract) -> Table:
    """Rows that the contract puts aside, with its reason in ``excluded``."""
    reasons = [
        nw.when(nw.col(f"{_RULE}{number}")).then(nw.lit(rule.reason)) for number, rule in enumerate(table.exclude)
    ]
    return rows.with_columns(excluded=nw.coalesce(*reasons, nw.lit(None).cast(nw.String)))


def sign_amounts(rows: Table, table: TableContract, contract: Contract) -> Table:
    """``line_amount``, exact: as exported, or quantity times price; of a marked return always negative."""
    if "line_amount" in table.columns:
        amount = nw.col("line_amount")
    elif "order_amount" in table.columns:
        amount = nw.col("order_amount")
    else:
        amount = nw.col("quantity") * nw.col("unit_price")
    amount = amount.cast(nw.Decimal(PRECISION, amount_decimals(contract, table)))
    is_return = nw.col(f"{_RULE}{len(table.exclude)}") if table.returns else nw.lit(False)
    rows = rows.with_columns(line_amount=amount, is_return=is_return)
    signed = {"line_amount": nw.when("is_return").then(-nw.col("line_amount").abs()).otherwise(nw.col("line_amount"))}
    if "quantity" in table.columns:
        signed["quantity"] = nw.when("is_return").then(-nw.col("quantity").abs()).otherwise(nw.col("quantity"))
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
        kind=nw.when(nw.col("is_return") | (amount < 0))
        .then(nw.lit("return"))
        .when(amount > 0)
        .then(nw.lit("sale"))
        .when(is_stock)
        .then(nw.lit("stock"))
        .when(amount == 0)
        .then(nw.lit("free"))
    )


def refuse_negative(rows: Table, table: TableContract) -> Table:
    """A negative amount that no rule marks as a return is refused, unless ``negatives: return``."""
    if table.negatives == "return":
        return rows
    unmarked = (nw.col("line_amount") < 0) & ~nw.col("is_return")
    reason = nw.when(unmarked).then(nw.lit("E-NUM-5 line_amount"))
    return rows.with_columns(reason=nw.coalesce(nw.col("reason"), reason))


def find_duplicates(rows: Table, table: TableContract, key: tuple[str, ...]) -> Table:
    """``is_duplicate``: the row stands, in all columns of the file, before; or its ``key`` does."""
    by = [ROW_HASH, *[one for one in ("line_amount", "ordered_at") if one in rows.columns]]
    groups = [by] if table.drops_duplicates else []
    groups += [list(key)] if key else []
    flags = []
    for number, group in enumerate(groups):
        # Only repeated keys are joined back: a small table.
        first = (
            rows.filter(~nw.col(IS_BLANK) & nw.col("reason").is_null())
            .group_by(group)
            .agg(nw.len().alias("n"), nw.col(POSITION).min().alias(f"first:{number}"))
            .filter(nw.col("n") > 1)
            .drop("n")
        )
        rows = rows.join(engine.materialise(first), on=group, how="left")
        flags.append((nw.col(POSITION) != nw.col(f"first:{number}")).fill_null(False))
    rows = rows.with_columns(is_duplicate=any_of(flags))
    return rows.drop([f"first:{number}" for number in range(len(groups))])


def settle(rows: Table) -> Table:
    """``fate`` and ``why`` of each row."""
    fate = (
        nw.when(IS_BLANK)
        .then(nw.lit("blank"))
        .when("is_duplicate")
        .then(nw.lit("duplicate"))
        .when(~nw.col("excluded").is_null())
        .then(nw.lit("excluded"))
        .when(~nw.col("reason").is_null())
        .then(nw.lit("rejected"))
        .otherwise(nw.lit("used"))
    )
    rows = rows.with_columns(fate=fate)
    why = (
        nw.when(nw.col("fate") == "excluded")
        .then(nw.col("excluded"))
        .when(nw.col("fate") == "rejected")
        .then(nw.col("reason"))
    )
    return rows.with_columns(why=why).drop(IS_BLANK, "is_duplicate", "excluded", "reason")
