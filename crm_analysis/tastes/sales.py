"""Sales as all steps need them, computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from crm_analysis import engine
from crm_analysis.engine import Table, Tables
from crm_analysis.params import Run
from crm_analysis.tastes.attributes import (
    describe_attributes,
    find_attributes,
    label_values,
    sum_leads,
    sum_products,
)
from crm_analysis.tastes.lines import sum_lines


@dataclass(frozen=True)
class Sales:
    """What all steps work on, computed once. ``leads``: dimension → lead attribute; ``lines``: by customer, product and month;
    ``sold``: products as they stand; ``labels``: the same with other values and not known ones named so; ``bought``: lines
    by customer, month and lead values."""

    tables: Tables
    run: Run
    max_values: int
    dimensions: dict[str, list[str]]
    attributes: pd.DataFrame
    leads: dict[str, str]
    lines: Table
    sold: Table
    labels: Table
    bought: Table

    @property
    def first(self) -> str:
        """The first dimension that the source has."""
        return next(iter(self.leads))

    @property
    def max_pairs(self) -> int:
        return (self.max_values + 3) ** 2


def prepare(
    tables: Tables, run: Run, wanted: Mapping[str, Sequence[str]], leads: Mapping[str, str], max_values: int
) -> Sales:
    """The sales before ``run.as_of`` by the ``wanted`` attributes of each dimension. Raises NotEnoughData E-MIN-2 where
    products or their attributes are missing."""
    dimensions = find_attributes(tables, wanted)
    lines = engine.materialise(sum_lines(tables, run.as_of))
    sold = engine.materialise(sum_products(lines, tables, dimensions))
    attributes = describe_attributes(sold, dimensions, leads, max_values)
    leads = attributes[attributes["is_lead"]].set_index("dimension")["attribute"].to_dict()
    labels = label_values(sold, list(attributes["attribute"]), max_values)
    bought = engine.materialise(sum_leads(lines, labels, leads))
    return Sales(tables, run, max_values, dimensions, attributes, leads, lines, sold, labels, bought)
