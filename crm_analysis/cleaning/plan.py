"""What is read of a table's files, by the contract: which columns, and as what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from crm_analysis.cleaning.amounts import AMOUNTS
from crm_analysis.cleaning.conversion import Target
from crm_analysis.cleaning.texts import Use
from crm_analysis.schema import CANONICAL, LONG, Column
from crm_analysis.sources.contract import Contract, Rule, TableContract

ORDER_TABLES = ("order_lines", "orders")
# What identifies a customer is read beside the other columns, under this prefix.
IDENTITY_PREFIX = "identity."


@dataclass(frozen=True)
class Plan:
    """How the files of the table ``name`` are read."""

    name: str
    contract: Contract

    @property
    def table(self) -> TableContract:
        return self.contract.tables[self.name]

    @cached_property
    def targets(self) -> list[Target]:
        """The columns to be read from a table's files: its own, and those that other tables take ``from`` it, which are
        named ``<table>.<column>``."""
        name, table, shape = self.name, self.table, CANONICAL[self.name]
        required = {*shape.key, *shape.required} - set(shape.may_be_empty)
        if name in ORDER_TABLES and not set(AMOUNTS) <= set(table.columns):
            required |= (
                {"line_amount"} if "line_amount" in table.columns else {"quantity", "unit_price", "order_amount"}
            )
        if name == "contracts":
            required |= {"started_date", "tenure_months", "is_ended"}
        attribute = Column("text", "attribute", max_length=LONG)
        targets = [
            Target(column, shape.columns.get(column, attribute), source, column in required)
            for column, source in table.sources.items()
        ]
        if table.identity is not None:
            targets += [
                Target(IDENTITY_PREFIX + column, Column("text", "identity"), source, False)
                for column, source in table.identity.sources.items()
            ]
        for other_name, other in self.contract.tables.items():
            if other.from_ == name:
                targets += [
                    Target(
                        f"{other_name}.{column}",
                        CANONICAL[other_name].columns.get(column, attribute),
                        source,
                        False,
                    )
                    for column, source in other.sources.items()
                ]
        return targets

    @cached_property
    def rules(self) -> list[tuple[Rule, str]]:
        """What puts rows aside or marks a return, each with the file's column that it looks at."""
        rules = [*self.table.exclude, *([self.table.returns.rule] if self.table.returns else [])]
        return [(rule, self._source(rule)) for rule in rules]

    def _source(self, rule: Rule) -> str:
        """The file's column of a rule, which may also name a canonical one."""
        sources = self.table.sources
        names = sources[rule.column].names if rule.column in sources else ()
        return names[0] if names else rule.column

    @cached_property
    def columns(self) -> dict[str, bool]:
        """The file's columns that the contract speaks of → whether the file may lack them."""
        fill_down = self.table.fill_down
        named = {column: True for target in self.targets for column in target.source.names}
        needed = [one for target in self.targets if not target.source.optional for one in target.source.names]
        needed += [column for _, column in self.rules]
        needed += [fill_down.within, *fill_down.columns] if fill_down else []
        return named | dict.fromkeys(needed, False)

    @property
    def id_columns(self) -> list[str]:
        """The file's columns that hold ids."""
        targets = [one for one in self.targets if one.column.type == "id"]
        return list(dict.fromkeys(column for target in targets for column in target.source.names))

    @property
    def name_columns(self) -> list[str]:
        """The typed rows' columns that hold texts as they were written."""
        return [target.name for target in self.targets if target.column.type == "text" and not target.source.is_sought]

    @cached_property
    def uses(self) -> dict[str, Use]:
        """What each column of the file is read as, that the contract speaks of; as an id where it is one too."""
        uses: dict[str, Use] = {}
        accounting = self.table.format.accounting
        for target in self.targets:
            kind = target.column.type
            use = Use(
                target.name,
                is_id=kind == "id",
                is_text=kind == "text",
                is_folded=kind == "flag" or (accounting and kind in ("money", "quantity", "rate")),
                max_length=target.column.max_length if kind in ("id", "text") and not target.source.is_sought else None,
            )
            for column in target.source.names:
                known = uses.get(column, use)
                uses[column] = known if (known.is_id, known.is_text) >= (use.is_id, use.is_text) else use
        for rule, column in self.rules:
            uses.setdefault(column, Use(rule.column, is_text=True))
        return uses
