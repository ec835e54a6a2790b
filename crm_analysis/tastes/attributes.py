"""Attributes of the products: which there are, which lead, and what the products of order lines are by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals as nw
import pandas as pd

from crm_analysis import engine
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData, ParameterError
from crm_analysis.language import _, listed, mark
from crm_analysis.params import nearest
from crm_analysis.schema import Column, Shape
from crm_analysis.tastes.lines import add_up, place_by

# The usual names of attributes by dimension, from large to small.
CATEGORY = mark("department"), mark("category"), mark("subcategory")
TASTE = mark("colour"), mark("pattern"), mark("shape"), mark("material"), mark("size")
BRAND = mark("brand"), mark("maker"), mark("character")
OTHER, NOT_KNOWN = mark("other values"), mark("not known")
BY_ATTRIBUTE = {"dimension": Column("label", "dimension"), "attribute": Column("label", "attribute")}
ATTRIBUTES = Shape(
    "one row per attribute of the products",
    {
        **BY_ATTRIBUTE,
        "is_lead": Column("flag", "stands for its dimension"),
        "n_values": Column("integer", "values sold"),
        "amount": Column("money", "net amount with a known value"),
        "known_share": Column("fraction", "share of the lines sold with a known value"),
    },
)


def find_attributes(tables: Tables, wanted: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Dimension → those of its ``wanted`` attributes that the products have. Raises NotEnoughData E-MIN-2."""
    products, lines = (engine.as_table(tables[one]).collect_schema().names() for one in ("products", "order_lines"))
    if "product_id" not in lines:
        raise NotEnoughData("E-MIN-2", _("the order lines name no product"), file="order_lines")
    found = {one: [name for name in names if name in products] for one, names in wanted.items()}
    if not any(found.values()):
        names = listed([_(name) for names in wanted.values() for name in names])
        reason = _("the products have none of the attributes {names}").format(names=names)
        raise NotEnoughData("E-MIN-2", reason, file="products")
    return {one: names for one, names in found.items() if names}


def sum_products(lines: Table, tables: Tables, dimensions: Mapping[str, list[str]]) -> Table:
    """The products that order lines name, with their net amount and their attributes as they stand."""
    attributes = [name for names in dimensions.values() for name in names]
    products = engine.as_table(tables["products"]).select("product_id", *attributes)
    sums = lines.group_by("product_id").agg(*add_up("n_lines", amount="amount"))
    return sums.join(products, on="product_id", how="left")


def describe_attributes(
    sold: Table, dimensions: Mapping[str, list[str]], leads: Mapping[str, str], max_values: int
) -> pd.DataFrame:
    """ATTRIBUTES with a value in what was sold, and which of them lead: those of ``leads`` where they are known. Raises
    NotEnoughData E-MIN-2."""
    rows = []
    for dimension, names in dimensions.items():
        for name in names:
            sums = rank_values(sold, name).select(nw.len().alias("n_values"), *add_up("n_lines", amount="amount"))
            rows.append({**engine.collect(sums, 1).iloc[0], "dimension": dimension, "attribute": name})
    frame = pd.DataFrame(rows)
    frame = frame[frame["n_values"] > 0]
    if frame.empty:
        raise NotEnoughData("E-MIN-2", _("no product that was sold has a value of any attribute"), file="products")
    first = {}
    for dimension, part in frame.groupby("dimension", sort=False):
        few = part.sort_values("n_values", kind="stable")
        fit = few[few["n_values"] <= max_values].sort_values("n_values", ascending=False, kind="stable")
        wanted = part.loc[part["attribute"] == leads.get(dimension), "attribute"]
        first[dimension] = [*wanted, *fit["attribute"], *few["attribute"]][0]
    n_lines = engine.collect(sold.select(*add_up("n_lines")), 1).iloc[0, 0]
    is_lead = frame["dimension"].map(first) == frame["attribute"]
    return ATTRIBUTES.frame(frame.assign(known_share=frame["n_lines"].astype(float) / max(n_lines, 1), is_lead=is_lead))


def rank_values(sold: Table, attribute: str) -> Table:
    """An attribute's values with ``n_lines``, ``amount`` and ``place``, 1 the largest amount; ties by name."""
    totals = sold.filter(~nw.col(attribute).is_null()).group_by(attribute).agg(*add_up("n_lines", amount="amount"))
    return place_by(totals.with_columns(minus=-nw.col("amount")), ["minus", attribute]).drop("minus")


def label_values(sold: Table, attributes: list[str], max_values: int) -> Table:
    """``product_id`` with each attribute's value, or OTHER, or NOT_KNOWN."""
    for name in attributes:
        place, ranked = nw.col("place"), rank_values(sold, name).select(name, "place")
        label = nw.when(place.is_null()).then(nw.lit(NOT_KNOWN)).when(place <= max_values).then(nw.col(name))
        labelled = sold.join(ranked, on=name, how="left").with_columns(label.otherwise(nw.lit(OTHER)).alias(name))
        sold = engine.materialise(labelled.drop("place"))
    return sold.select("product_id", *attributes)


def label_lines(lines: Table, labels: Table, names: Mapping[str, str]) -> Table:
    """``lines`` with what their products are; ``names``: new name → attribute."""
    labels = labels.select("product_id", *[nw.col(name).alias(new) for new, name in names.items()])
    labelled = lines.join(labels, on="product_id", how="left")
    return labelled.with_columns(*[nw.col(new).fill_null(NOT_KNOWN) for new in names])


def sum_leads(lines: Table, labels: Table, leads: Mapping[str, str]) -> Table:
    """``lines`` summed by customer, month and the lead attribute of each dimension, named as the dimension."""
    by = ["customer_id", "buyer", "month", *leads]
    return label_lines(lines, labels, leads).group_by(by).agg(*add_up("n_lines", amount="amount"))


def unknown_name(what: str, column: str, name: str, known: list[str]) -> ParameterError:
    text = f"unknown {what} '{name}'{nearest(name, known)}"
    return ParameterError("E-PAR-3", text[:300], file="params/ctb.yml", column=column)
