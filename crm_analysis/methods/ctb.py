"""CTB (category, taste, brand): what kind of thing does a customer like?

So that next season's products find their buyers although last season's are gone. *Dimensions*: category (large, middle,
small), taste (colour, pattern, shape, material, size), brand (brand, maker, character), as far as the source's products have
such attributes. Of each, one *lead attribute* stands in groups, maps and forecasts: a parameter, or the one with most values
up to ``max_values``, or else the one with fewest. Of an attribute, values beyond the ``max_values`` largest by amount are
"other values"; lines whose product has none are "not known": they count in totals, and in nothing that follows.

*Share of spend*: of a customer's net amount with a known value; more returns than sales count as 0. *Shrunken share*
= (n·s + k·p) / (n + k), with n lines sold with a known value, s own share, p share of all customers, k ``shrinkage_lines``.
*Affinity* = shrunken share / p. *Preferred value*: where the shrunken share lies furthest above p, in points; ties by name;
below ``min_lines`` lines nobody prefers anything. *Concentration*: own share of it, and Herfindahl's sum of squared shares.
*Rising*: the share of sales of the last ``trend_months`` less that of the same months a year before, or where the data do
not reach, of the months just before; over its standard error, which is that of a ratio whose units are customers (Cochran,
Sampling Techniques, 1977, ch. 6); beyond ±3 it is called real. *Lift of a pair*: amount / amount if both were independent.
*Combinations*: customers who bought one / customers expected if each line sold, of as many as they bought, drew its values
independently; ranked by (observed − expected) / √expected. *Next*: an order's main value is the one of its largest amount,
ties by name; P(next | last) = (n + k·p) / (N + k) from orders before the last ``test_months``, p popularity, k
``shrinkage_orders``; judged on the first order of each customer since then, so cases are independent, with Wilson's interval.
*Offer*: P(a line is of it) = product of its attributes' shrunken shares, as if a customer's tastes were independent.
*Check*: whom a list made before the last ``test_months`` would have named, and what they then spent on the offer.

It cannot tell why something sells, nor want from offer: what was not in the range could not be bought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import and_, mul

import narwhals as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import binomtest

from crm_analysis import charts, engine, language
from crm_analysis.customers import count_moves, move_matrix
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData, ParameterError
from crm_analysis.language import _
from crm_analysis.params import Run, first_of_month, nearest
from crm_analysis.schema import CANONICAL, MOVES, Column, KeyFigure, Shape, day_number

REQUIRES = ("order_lines", "products")
# Where the report stands in the pack.
PLACE = 30
DIMENSIONS = ("category", "taste", "brand")
OTHER, NOT_KNOWN, TOO_FEW = "other values", "not known", "too few lines"
# A change of so many standard errors is called real: of forty values one in nine such months shows one by chance.
REAL = 3.0
HITS_AT = (1, 3, 5)
MONTHS_SHOWN = 24
MAX_VALUES_READ = 200_000

_DIMENSION = {"dimension": Column("text", "dimension"), "attribute": Column("text", "attribute")}
ATTRIBUTES = Shape(
    "one row per attribute of the products",
    {
        **_DIMENSION,
        "is_lead": Column("flag", "stands for its dimension"),
        "n_values": Column("integer", "values sold"),
        "amount": Column("money", "net amount with a known value"),
        "known_share": Column("fraction", "share of the lines sold with a known value"),
    },
)
VALUES = Shape(
    "one row per value of an attribute, the largest first; other values and not known last",
    {
        **_DIMENSION,
        "value": Column("text", "value"),
        "n_customers": Column("integer", "customers who bought it"),
        "n_lines": Column("integer", "lines sold"),
        "amount": Column("money", "net amount to date"),
        "amount_share": Column("fraction", "share of sales"),
        "earlier_share": Column("fraction", "share of sales in the earlier months"),
        "recent_share": Column("fraction", "share of sales in the last months"),
        "growth_rate": Column("fraction", "growth of the share"),
        "z": Column("fraction", "change in standard errors"),
        "is_real": Column("flag", "more than chance"),
    },
)
MONTHS = Shape(
    "one row per value of a lead attribute and month",
    {
        **_DIMENSION,
        "value": Column("text", "value"),
        "month": Column("text", "month"),
        "amount": Column("money", "net amount"),
        "amount_share": Column("fraction", "share of the month's sales"),
    },
)
PAIRS = Shape(
    "one row per pair of a category and a value of another dimension, both known",
    {
        "category": Column("text", "category"),
        "dimension": Column("text", "other dimension"),
        "value": Column("text", "its value"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "net amount"),
        "lift": Column("fraction", "times the amount expected; empty where customers are few"),
    },
)
COMBINATIONS = Shape(
    "one row per combination of category, taste and brand that enough customers bought, the most striking first",
    {
        "category": Column("text", "category"),
        "taste": Column("text", "taste"),
        "brand": Column("text", "brand"),
        "n_products": Column("integer", "products sold"),
        "n_lines": Column("integer", "lines sold"),
        "amount": Column("money", "net amount"),
        "n_customers": Column("integer", "customers"),
        "expected_customers": Column("fraction", "customers expected by chance"),
        "lift": Column("fraction", "times as many as expected"),
        "z": Column("fraction", "distance from chance"),
    },
)
GROUPS = Shape(
    "one row per group of customers who prefer the same value",
    {
        **_DIMENSION,
        "group": Column("text", "prefer"),
        "n_customers": Column("integer", "customers"),
        "customer_share": Column("fraction", "share of customers"),
        "amount": Column("money", "net amount to date"),
        "amount_share": Column("fraction", "share of the amount"),
        "mean_own_share": Column("fraction", "share of spend on it, mean"),
        "mean_herfindahl": Column("fraction", "Herfindahl index, mean"),
        "n_customers_previous_month": Column("integer", "customers a month ago"),
        "n_customers_last_year": Column("integer", "customers a year ago"),
    },
)
LIKES = Shape(
    "one row per group of customers by an attribute of theirs and value of the first dimension",
    {
        "group": Column("text", "customers"),
        "value": Column("text", "value"),
        "n_customers": Column("integer", "customers who bought it"),
        "amount": Column("money", "net amount"),
        "affinity": Column("fraction", "affinity; empty where customers are few"),
    },
)
TRANSITIONS = Shape(
    "one row per pair of an order's main value and the next order's",
    {
        **_DIMENSION,
        "last": Column("text", "last order"),
        "next": Column("text", "next order"),
        "n_orders": Column("integer", "next orders"),
        "next_prob": Column("fraction", "probability of the next"),
    },
)
HITS = Shape(
    "one row per dimension and way to guess a customer's next order",
    {
        **_DIMENSION,
        "guess": Column("text", "guess"),
        "n_cases": Column("integer", "customers judged"),
        **{
            f"hit_{k}{end}_rate": Column("fraction", f"within {k} guess{'es' if k > 1 else ''}{text}")
            for k in HITS_AT
            for end, text in (("", ""), ("_low", ", 95% from"), ("_high", ", to"))
        },
    },
)
OFFER = Shape(
    "one row per attribute of what is offered",
    {
        "attribute": Column("text", "attribute"),
        "value": Column("text", "value offered"),
        "all_share": Column("fraction", "share of all customers' spend"),
        "chosen": Column("text", "chosen because"),
    },
)

CHECK = Shape(
    "customers of the last months, by whether the list made before them would have named them",
    {
        "group": Column("text", "whether named"),
        "n_customers": Column("integer", "customers"),
        "amount": Column("money", "net amount in the last months, of what is known"),
        "offer_amount": Column("money", "of that, on what is offered"),
        "later_share": Column("fraction", "share on what is offered"),
    },
)


def _part(shape: Shape, grain: str, *columns: str) -> Shape:
    return Shape(grain, {one: shape.columns[one] for one in columns})


# What a reader sees of the wider ones.
SOLD = _part(
    VALUES, "one row per value of the lead attribute", "value", "n_customers", "n_lines", "amount", "amount_share",
    "earlier_share", "recent_share", "z",
)  # fmt: skip
RISING = _part(
    VALUES, "one row per value whose share rises by more than chance", "attribute", "value", "amount", "earlier_share",
    "recent_share", "growth_rate", "z",
)  # fmt: skip
PREFERENCES = _part(GROUPS, GROUPS.grain, "attribute", *list(GROUPS.columns)[2:])
JUDGED = _part(
    HITS, HITS.grain, "attribute", "guess", "n_cases", "hit_1_rate", "hit_1_low_rate", "hit_1_high_rate", "hit_3_rate",
    "hit_5_rate",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Params:
    """``category``, ``taste``, ``brand``: attributes of the products, from large to small. ``leads``: dimension → its lead
    attribute, where the source has it. ``max_values``: of an attribute, kept apart. ``shrinkage_*``: lines, or orders, that
    everybody's share counts for beside a customer's own. ``min_cell_customers``: with fewer a cell is empty. ``group_by``:
    customers' attribute for who likes what; empty: the first. ``offer``: attribute → value, at most one of a dimension; empty:
    what rises most. ``list_rows``: the most customers in the action list for people."""

    category: tuple[str, ...] = ("department", "category", "subcategory")
    taste: tuple[str, ...] = ("colour", "pattern", "shape", "material", "size")
    brand: tuple[str, ...] = ("brand", "maker", "character")
    leads: dict[str, str] = field(default_factory=dict)
    max_values: int = 40
    trend_months: int = 3
    test_months: int = 3
    active_months: int = 12
    shrinkage_lines: int = 10
    shrinkage_orders: int = 10
    min_lines: int = 3
    min_cell_customers: int = 5
    min_customers: int = 50
    group_by: str = ""
    offer: dict[str, str] = field(default_factory=dict)
    list_rows: int = 5000

    def __post_init__(self) -> None:
        names = [*self.category, *self.taste, *self.brand]
        if len(set(names)) < len(names):
            raise ValueError("an attribute stands in two dimensions, or twice in one")
        for dimension, lead in self.leads.items():
            if dimension not in DIMENSIONS:
                raise ValueError(f"leads names '{dimension}'{nearest(dimension, DIMENSIONS)}")
            if lead not in getattr(self, dimension):
                raise ValueError(f"leads names '{lead}' for {dimension}{nearest(lead, getattr(self, dimension))}")
        if not 2 <= self.max_values <= 100:
            raise ValueError(f"max_values is {self.max_values}; it goes from 2 to 100")
        for name in ("trend_months", "test_months", "active_months"):
            if not 1 <= getattr(self, name) <= 120:
                raise ValueError(f"{name} is {getattr(self, name)}; it goes from 1 to 120")
        sizes = ("shrinkage_lines", "shrinkage_orders", "min_lines", "min_cell_customers", "min_customers", "list_rows")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


@dataclass(frozen=True)
class Result:
    """``customers`` and ``actions`` have one row per customer and stay in the engine; ``basis`` says what trends compare
    with, '' where the data do not reach. What the source has no attribute for is empty."""

    customers: Table
    actions: Table
    attributes: pd.DataFrame
    values: pd.DataFrame
    months: pd.DataFrame
    pairs: pd.DataFrame
    combinations: pd.DataFrame
    groups: pd.DataFrame
    moves: pd.DataFrame
    likes: pd.DataFrame
    transitions: pd.DataFrame
    hits: pd.DataFrame
    offer: pd.DataFrame
    check: pd.DataFrame
    basis: str


@dataclass(frozen=True)
class Sales:
    """What all steps work on, computed once. ``leads``: dimension → lead attribute; ``lines``: by customer, product and month;
    ``sold``: products as they stand; ``labels``: the same with other values and not known ones named so; ``bought``: lines
    by customer, month and lead values."""

    tables: Tables
    run: Run
    params: Params
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
        return (self.params.max_values + 3) ** 2


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """What sells, what rises, who likes what, and what comes next, at the end of ``run.month``. Raises NotEnoughData, and
    ParameterError for a name in ``offer`` or ``group_by`` that the source does not have."""
    sales = prepare(tables, run, params)
    customers = engine.materialise(prefer(sales.bought, sales))
    _require(customers, params)
    values, basis = measure_values(sales)
    groups, moves = follow(customers, sales)
    transitions, hits = forecast(sales)
    wishes, offer = weigh_offer(sales.lines, choose_offer(values, sales), sales)
    return Result(
        customers=customers.drop("last_month"),
        actions=advise(customers, wishes, offer, sales),
        attributes=sales.attributes,
        values=values,
        months=share_months(sales),
        pairs=relate(sales),
        combinations=combine(sales),
        groups=groups,
        moves=moves,
        likes=compare_groups(sales),
        transitions=transitions,
        hits=hits,
        offer=offer,
        check=check_offer(offer, sales),
        basis=basis,
    )


def prepare(tables: Tables, run: Run, params: Params) -> Sales:
    """The sales before ``run.as_of``. Raises NotEnoughData E-MIN-2 where products or their attributes are missing."""
    dimensions = find_attributes(tables, params)
    lines = engine.materialise(sum_lines(tables, run.as_of))
    sold = engine.materialise(sum_products(lines, tables, dimensions))
    attributes = describe_attributes(sold, dimensions, params)
    leads = attributes[attributes["is_lead"]].set_index("dimension")["attribute"].to_dict()
    labels = label_values(sold, list(attributes["attribute"]), params)
    bought = engine.materialise(sum_leads(lines, labels, leads))
    return Sales(tables, run, params, dimensions, attributes, leads, lines, sold, labels, bought)


def find_attributes(tables: Tables, params: Params) -> dict[str, list[str]]:
    """Dimension → its attributes that the products have. Raises NotEnoughData E-MIN-2."""
    products, lines = (engine.as_table(tables[one]).collect_schema().names() for one in ("products", "order_lines"))
    if "product_id" not in lines:
        raise NotEnoughData("E-MIN-2", _("the order lines name no product"), file="order_lines")
    wanted = {one: getattr(params, one) for one in DIMENSIONS}
    found = {one: [name for name in names if name in products] for one, names in wanted.items()}
    if not any(found.values()):
        names = ", ".join(name for names in wanted.values() for name in names)
        reason = _("the products have none of the attributes {names}").format(names=names)
        raise NotEnoughData("E-MIN-2", reason, file="products")
    return {one: names for one, names in found.items() if names}


def describe_attributes(sold: Table, dimensions: Mapping[str, list[str]], params: Params) -> pd.DataFrame:
    """ATTRIBUTES with a value in what was sold, and which of them lead. Raises NotEnoughData E-MIN-2."""
    rows = []
    for dimension, names in dimensions.items():
        for name in names:
            sums = rank_values(sold, name).select(nw.len().alias("n_values"), *_sums("n_lines", amount="amount"))
            rows.append({**engine.collect(sums, 1).iloc[0], "dimension": dimension, "attribute": name})
    frame = pd.DataFrame(rows)
    frame = frame[frame["n_values"] > 0]
    if frame.empty:
        raise NotEnoughData("E-MIN-2", _("no product that was sold has a value of any attribute"), file="products")
    leads = {}
    for dimension, part in frame.groupby("dimension", sort=False):
        few = part.sort_values("n_values", kind="stable")
        fit = few[few["n_values"] <= params.max_values].sort_values("n_values", ascending=False, kind="stable")
        wanted = part.loc[part["attribute"] == params.leads.get(dimension), "attribute"]
        leads[dimension] = [*wanted, *fit["attribute"], *few["attribute"]][0]
    n_lines = engine.collect(sold.select(*_sums("n_lines")), 1).iloc[0, 0]
    known, is_lead = (
        frame["n_lines"].astype(float) / max(n_lines, 1),
        frame["dimension"].map(leads) == frame["attribute"],
    )
    return ATTRIBUTES.frame(frame.assign(known_share=known, is_lead=is_lead))


def _require(customers: Table, params: Params) -> None:
    n = engine.n_rows(customers)
    if n < params.min_customers:
        reason = _("{n} customers with a sale by then, and the method needs {least}")
        raise NotEnoughData("E-MIN-1", reason.format(n=n, least=params.min_customers), file="order_lines")


def _unknown(what: str, column: str, name: str, known: list[str]) -> ParameterError:
    text = f"unknown {what} '{name}'{nearest(name, known)}"
    return ParameterError("E-PAR-3", text[:300], file="params/ctb.yml", column=column)


def _stack(shape: Shape, frames: list[pd.DataFrame]) -> pd.DataFrame:
    return shape.frame(pd.concat(frames) if frames else pd.DataFrame(columns=list(shape.columns)))


# Lines, summed once. Months are whole numbers here, 12 · year + month, and sums of money are exact.


def _month(day: date) -> int:
    return 12 * day.year + day.month


def _sums(*whole: str, **renamed: str) -> list[nw.Expr]:
    """Sums under their own name, those of ``whole`` as whole numbers."""
    exact = [nw.col(name).sum().alias(new) for new, name in renamed.items()]
    return [*[nw.col(name).sum().cast(nw.Int64) for name in whole], *exact]


IS_KNOWN = ~nw.col("customer_id").is_null()
IS_SOLD = (nw.col("n_lines") > 0).cast(nw.Int64)
N_BUYERS = IS_SOLD.sum().cast(nw.Int64).alias("n_customers")


def known_lines(tables: Tables, as_of: date) -> Table:
    """The rows of ``order_lines`` before ``as_of``. Nothing later may be looked at."""
    return engine.as_table(tables["order_lines"]).filter(nw.col("ordered_day") < day_number(as_of))


def sum_lines(tables: Tables, as_of: date) -> Table:
    """Lines sold and net amount by customer, product and month. ``buyer`` is the customer or, where not known, the order."""
    at, order = nw.col("ordered_at").dt, nw.concat_str([nw.lit("order "), nw.col("order_id")])
    lines = known_lines(tables, as_of).with_columns(
        buyer=nw.coalesce("customer_id", order),
        month=at.year().cast(nw.Int64) * 12 + at.month(),
        n_lines=(nw.col("kind") == "sale").cast(nw.Int64),
    )
    return lines.group_by("customer_id", "buyer", "product_id", "month").agg(*_sums("n_lines", amount="line_amount"))


def sum_products(lines: Table, tables: Tables, dimensions: Mapping[str, list[str]]) -> Table:
    """The products that order lines name, with their net amount and their attributes as they stand."""
    attributes = [name for names in dimensions.values() for name in names]
    products = engine.as_table(tables["products"]).select("product_id", *attributes)
    sums = lines.group_by("product_id").agg(*_sums("n_lines", amount="amount"))
    return sums.join(products, on="product_id", how="left")


def rank_values(sold: Table, attribute: str) -> Table:
    """An attribute's values with ``n_lines``, ``amount`` and ``place``, 1 the largest amount; ties by name."""
    totals = sold.filter(~nw.col(attribute).is_null()).group_by(attribute).agg(*_sums("n_lines", amount="amount"))
    return _place(totals.with_columns(minus=-nw.col("amount")), ["minus", attribute]).drop("minus")


def _place(table: Table, order_by: list[str], within: tuple[str, ...] = ()) -> Table:
    """``place``, 1 for the first by ``order_by``, ``within`` these columns."""
    place = nw.col("one").cum_sum().over(*within, order_by=order_by)
    return table.with_columns(one=nw.lit(1)).with_columns(place=place.cast(nw.Int64)).drop("one")


def label_values(sold: Table, attributes: list[str], params: Params) -> Table:
    """``product_id`` with each attribute's value, or OTHER, or NOT_KNOWN."""
    for name in attributes:
        place, ranked = nw.col("place"), rank_values(sold, name).select(name, "place")
        label = nw.when(place.is_null()).then(nw.lit(NOT_KNOWN)).when(place <= params.max_values).then(nw.col(name))
        labelled = sold.join(ranked, on=name, how="left").with_columns(label.otherwise(nw.lit(OTHER)).alias(name))
        sold = engine.materialise(labelled.drop("place"))
    return sold.select("product_id", *attributes)


def _label(lines: Table, labels: Table, names: Mapping[str, str]) -> Table:
    """``lines`` with what their products are; ``names``: new name → attribute."""
    labels = labels.select("product_id", *[nw.col(name).alias(new) for new, name in names.items()])
    labelled = lines.join(labels, on="product_id", how="left")
    return labelled.with_columns(*[nw.col(new).fill_null(NOT_KNOWN) for new in names])


def sum_leads(lines: Table, labels: Table, leads: Mapping[str, str]) -> Table:
    """``lines`` summed by customer, month and the lead attribute of each dimension, named as the dimension."""
    by = ["customer_id", "buyer", "month", *leads]
    return _label(lines, labels, leads).group_by(by).agg(*_sums("n_lines", amount="amount"))


# What sells, and what rises.


def measure_values(sales: Sales) -> tuple[pd.DataFrame, str]:
    """VALUES of every attribute; and in words what the last months are compared with, '' where the data do not reach."""
    first, end, n = _first_month(sales), _month(sales.run.as_of), sales.params.trend_months
    now, then, basis = range(end - n, end), range(0), ""
    for back, words in ((n, _("the months just before, season included")), (12, _("the same months a year before"))):
        if first <= end - n - back and n <= back:
            then, basis = range(end - n - back, end - back), words
    dated = date_lines(sales.lines, now, then)
    named = sales.attributes[["dimension", "attribute"]].itertuples(index=False, name=None)
    return _stack(VALUES, [sum_values(*dated, sales.labels, *one) for one in named]), basis


def _first_month(sales: Sales) -> int:
    return int(engine.collect(sales.bought.select(nw.col("month").min()), 1).iloc[0, 0])


def date_lines(lines: Table, now: range, then: range) -> tuple[Table, Table, pd.Series]:
    """``lines`` with the amounts ``recent`` and ``earlier`` instead of months; per buyer ``x`` and ``y``, their shares of all
    sales of those months; and as numbers these sales, and Σ x², Σ xy, Σ y². All are nan without sales in both."""
    amounts = {
        name: nw.when(nw.col("month").is_between(months.start, months.stop - 1)).then(nw.col("amount"))
        for name, months in {"recent": now, "earlier": then}.items()
    }
    dated = lines.with_columns(**amounts).group_by("customer_id", "buyer", "product_id")
    dated = engine.materialise(dated.agg(*_sums("n_lines", amount="amount", **PERIODS)))
    size = engine.collect(dated.select(*_sums(**PERIODS)), 1).iloc[0].astype(float)
    size = size if (size > 0).all() else size * np.nan
    buyers = dated.group_by("buyer").agg(*_sums(**PERIODS))
    buyers = engine.materialise(buyers.select("buyer", x=_of_all("recent", size), y=_of_all("earlier", size)))
    squares = buyers.select(*[(nw.col(a) * nw.col(b)).sum().alias(a + b) for a, b in ("xx", "xy", "yy")])
    return dated, buyers, pd.concat([size, engine.collect(squares, 1).iloc[0]])


PERIODS = {"recent": "recent", "earlier": "earlier"}


def _of_all(period: str, size: pd.Series) -> nw.Expr:
    return (nw.col(period).cast(nw.Float64) / float(size[period])).fill_null(0.0)


def sum_values(
    dated: Table, buyers: Table, sizes: pd.Series, labels: Table, dimension: str, attribute: str
) -> pd.DataFrame:
    """VALUES of one attribute, the largest first, other values and not known last. The standard error of a share's change
    r₁ − r₀ is √Σ e², by buyer e = u − (r₁·x − r₀·y), with u what the value adds to x − y."""
    own = _label(dated, labels, {"value": attribute}).group_by("customer_id", "buyer", "value")
    own = own.agg(*_sums("n_lines", amount="amount", **PERIODS)).join(buyers, on="buyer", how="left")
    own = own.with_columns(u=_of_all("recent", sizes) - _of_all("earlier", sizes))
    sums = own.group_by("value").agg(
        nw.when(IS_KNOWN).then(IS_SOLD).sum().fill_null(0).cast(nw.Int64).alias("n_customers"),
        *_sums("n_lines", amount="amount", **PERIODS),
        *[(nw.col(a) * nw.col(b)).sum().alias(a + b) for a, b in ("uu", "ux", "uy")],
    )
    frame = engine.collect(sums, MAX_VALUES_READ)
    r1, r0 = (frame[one].astype(float).fillna(0) / sizes[one] for one in PERIODS)
    variance = frame["uu"] - 2 * (r1 * frame["ux"] - r0 * frame["uy"])
    variance += r1**2 * sizes["xx"] - 2 * r1 * r0 * sizes["xy"] + r0**2 * sizes["yy"]
    # Where all is of one value nothing varies; what is left is the noise of floating point.
    z = ((r1 - r0) / np.sqrt(variance.where(variance > 1e-18))).round(6)
    frame = frame.assign(
        amount_share=_shares(frame["amount"]), recent_share=r1, earlier_share=r0, growth_rate=(r1 / r0 - 1).where(r0 > 0),
        z=z, is_real=z.abs() >= REAL, dimension=dimension, attribute=attribute,
        place=frame["value"].map({OTHER: 1, NOT_KNOWN: 2}).fillna(0), minus=-frame["amount"].astype(float),
    )  # fmt: skip
    return frame.sort_values(["place", "minus", "value"])


def _shares(amounts: pd.Series) -> list[float]:
    """Shares of exact amounts."""
    total = amounts.sum()
    return [float(one / total) if total else 0.0 for one in amounts]


def share_months(sales: Sales) -> pd.DataFrame:
    """MONTHS: the last ``MONTHS_SHOWN`` of each lead attribute; a value without sales in a month has a row of zero."""
    end = _month(sales.run.as_of)
    months, parts = range(max(_first_month(sales), end - MONTHS_SHOWN), end), []
    for dimension, attribute in sales.leads.items():
        sums = sales.bought.group_by("month", dimension).agg(*_sums(amount="amount"))
        frame = engine.collect(sums, MAX_VALUES_READ).pivot(index=dimension, columns="month", values="amount")
        frame = frame.reindex(columns=months).map(lambda one: one if one == one and one is not None else 0)
        for month in months:
            own = pd.DataFrame({"amount": frame[month], "amount_share": _shares(frame[month])}).reset_index(
                names="value"
            )
            text = f"{(month - 1) // 12}-{(month - 1) % 12 + 1:02}"
            parts.append(own.assign(dimension=dimension, attribute=attribute, month=text))
    return _stack(MONTHS, parts)


# Who likes what.


def sum_spend(bought: Table, value: str) -> Table:
    """What each customer bought of each known value: lines and net amount."""
    known = bought.filter(IS_KNOWN, nw.col(value) != NOT_KNOWN).group_by("customer_id", nw.col(value).alias("value"))
    return engine.materialise(known.agg(*_sums("n_lines", amount="amount")))


def weigh(spend: Table, by: str, shrinkage: int) -> Table:
    """``spend`` with own_share, all_share (of all together), n_known (lines with a value) and shrunken_share."""
    own, everybody, n = nw.col("own_share"), nw.col("all_share"), nw.col("n_known")
    total = spend.group_by("value").agg(*_sums(amount="amount")).with_columns(one=nw.lit(1))
    total = _share_out(total, "one", "all_share").select("value", "all_share")
    n_known = nw.when(nw.col("whole") > 0).then(nw.col("n_lines").sum().over(by)).otherwise(0)
    weighed = _share_out(spend, by, "own_share").join(total, on="value", how="left")
    weighed = weighed.with_columns(n_known=n_known.cast(nw.Int64))
    return engine.materialise(weighed.with_columns(shrunken_share=(n * own + shrinkage * everybody) / (n + shrinkage)))


def _share_out(spend: Table, by: str, name: str) -> Table:
    """``name``: the amount's share of ``whole``, the sum within ``by``, where amounts below zero count as none."""
    spend = spend.with_columns(spent=nw.when(nw.col("amount") > 0).then(nw.col("amount")))
    spend = spend.with_columns(whole=nw.col("spent").sum().over(by).cast(nw.Float64))
    share = nw.when(nw.col("whole") > 0).then(nw.col("spent").cast(nw.Float64) / nw.col("whole"))
    return spend.with_columns(share.fill_null(0.0).alias(name))


def prefer(bought: Table, sales: Sales) -> Table:
    """One row per customer with a sale: lines, net amount, last month, and per dimension the preferred value, its share of the
    customer's spend and the Herfindahl index."""
    sale = nw.when(nw.col("n_lines") > 0).then(nw.col("month")).max().alias("last_month")
    people = bought.filter(IS_KNOWN).group_by("customer_id").agg(*_sums("n_lines", amount="amount"), sale)
    people = people.filter(nw.col("n_lines") > 0)
    for dimension in sales.leads:
        weighed = weigh(sum_spend(bought, dimension), "customer_id", sales.params.shrinkage_lines).with_columns(
            # Rounded: floating-point noise must not decide between equals.
            minus=(nw.col("all_share") - nw.col("shrunken_share")).round(12),
            squares=(nw.col("own_share") ** 2).sum().over("customer_id").round(9),
        )
        first = _place(weighed, ["minus", "value"], ("customer_id",)).filter(nw.col("place") == 1)
        enough = nw.when(nw.col("n_known") >= sales.params.min_lines)
        columns = {"group": "value", "own_share": "own_share", "herfindahl": "squares"}
        columns = {f"{dimension}_{name}": enough.then(nw.col(of)) for name, of in columns.items()}
        people = people.join(first.select("customer_id", **columns), on="customer_id", how="left")
        people = people.with_columns(nw.col(f"{dimension}_group").fill_null(TOO_FEW))
    return people


def follow(customers: Table, sales: Sales) -> tuple[pd.DataFrame, pd.DataFrame]:
    """GROUPS of every dimension, with their sizes a month and a year ago; and MOVES between those of the first."""
    past = (sales.bought.filter(nw.col("month") < _month(day)) for day in (sales.run.starts, sales.run.last_year_as_of))
    states, frames = [customers, *[engine.materialise(prefer(one, sales)) for one in past]], []
    for dimension, attribute in sales.leads.items():
        columns = {f"mean_{one}": f"{dimension}_{one}" for one in ("own_share", "herfindahl")}
        means = [nw.col(of).mean().round(9).alias(name) for name, of in columns.items()]
        sums = [nw.len().alias("n_customers"), *_sums(amount="amount"), *means]
        parts = [one.group_by(nw.col(f"{dimension}_group").alias("group")).agg(*sums) for one in states]
        described = describe_groups(*[engine.collect(one, sales.max_pairs) for one in parts])
        frames.append(described.assign(dimension=dimension, attribute=attribute))
    now, before = (one.with_columns(group=nw.col(f"{sales.first}_group")) for one in states[:2])
    moves = engine.collect(count_moves(before, now, "group", "amount"), sales.max_pairs)
    return _stack(GROUPS, frames), MOVES.frame(moves)


def describe_groups(now: pd.DataFrame, before: pd.DataFrame, last_year: pd.DataFrame) -> pd.DataFrame:
    """GROUPS of one dimension, the largest first, other values and too few lines last."""
    n = now["n_customers"]
    frame = now.assign(customer_share=n / n.sum(), amount_share=_shares(now["amount"]))
    for name, past in {"previous_month": before, "last_year": last_year}.items():
        n = frame["group"].map(past.set_index("group")["n_customers"]).fillna(0).astype(int)
        frame[f"n_customers_{name}"] = n if len(past) else pd.NA
    order = frame.assign(place=frame["group"].isin([OTHER, TOO_FEW]), minus=-frame["n_customers"])
    return order.sort_values(["place", "minus", "group"])


def compare_groups(sales: Sales) -> pd.DataFrame:
    """LIKES: customers by ``group_by``, or their first attribute; without any, nothing. Raises ParameterError E-PAR-3."""
    tables, params = sales.tables, sales.params
    known = engine.as_table(tables["customers"]).collect_schema().names() if "customers" in tables else []
    known = [one for one in known if one not in CANONICAL["customers"].columns]
    if params.group_by and params.group_by not in known:
        raise _unknown("attribute of customers", "group_by", params.group_by, known)
    if not known:
        return _stack(LIKES, [])
    people = engine.as_table(tables["customers"]).select("customer_id", group=nw.col(params.group_by or known[0]))
    spend = sum_spend(sales.bought, sales.first).join(people, on="customer_id", how="left")
    spend = spend.with_columns(nw.col("group").fill_null(NOT_KNOWN)).group_by("group", "value")
    weighed = weigh(spend.agg(N_BUYERS, *_sums("n_lines", amount="amount")), "group", params.shrinkage_lines)
    frame = engine.collect(weighed.sort("group", "value"), MAX_VALUES_READ)
    enough = (frame["n_customers"] >= params.min_cell_customers) & (frame["all_share"] > 0)
    return LIKES.frame(frame.assign(affinity=(frame["shrunken_share"] / frame["all_share"]).where(enough)))


# What goes with what.


def _sum_cells(bought: Table, dimensions: list[str]) -> Table:
    """What known customers bought with a known value in each of the dimensions, by customer and values."""
    known = bought.filter(IS_KNOWN, *[nw.col(one) != NOT_KNOWN for one in dimensions])
    return engine.materialise(known.group_by("customer_id", *dimensions).agg(*_sums("n_lines", amount="amount")))


def relate(sales: Sales) -> pd.DataFrame:
    """PAIRS of the category with the values of each other dimension: amount · total / (row's amount · column's amount), where
    amounts below zero count as none."""
    frames = []
    for dimension in [one for one in sales.leads if one != "category" and "category" in sales.leads]:
        cells = _sum_cells(sales.bought, ["category", dimension]).group_by("category", nw.col(dimension).alias("value"))
        cells = cells.agg(N_BUYERS, *_sums(amount="amount")).sort("category", "value")
        frame = engine.collect(cells, sales.max_pairs).assign(dimension=dimension)
        amount = frame["amount"].astype(float).clip(lower=0)
        expected = mul(*(amount.groupby(frame[one]).transform("sum") for one in ("category", "value"))) / amount.sum()
        enough = (expected > 0) & (frame["n_customers"] >= sales.params.min_cell_customers)
        frames.append(frame.assign(lift=(amount / expected).where(enough)))
    return _stack(PAIRS, frames)


def combine(sales: Sales) -> pd.DataFrame:
    """COMBINATIONS beyond chance of all the dimensions, if these are two or three. Customers expected: Σ over customers of
    1 − (1 − q)ⁿ, with n their lines, and q the product of the values' shares of all lines."""
    dimensions, n = list(sales.leads), (sales.params.max_values + 1) ** 3
    if len(dimensions) < 2:
        return _stack(COMBINATIONS, [])
    cells = _sum_cells(sales.bought, dimensions).filter(nw.col("n_lines") > 0)
    products = sales.labels.select(*[nw.col(name).alias(one) for one, name in sales.leads.items()]).group_by(dimensions)
    found = cells.group_by(dimensions).agg(N_BUYERS, *_sums("n_lines", amount="amount")).filter(
        nw.col("n_customers") >= sales.params.min_cell_customers, *[nw.col(one) != OTHER for one in dimensions]
    )  # fmt: skip
    found = found.join(products.agg(nw.len().alias("n_products")), on=dimensions, how="left")
    frame = engine.collect(found.sort(dimensions), n)
    sizes = cells.group_by("customer_id").agg(*_sums("n_lines")).group_by("n_lines").agg(nw.len().alias("n_customers"))
    n_each, n_people = engine.collect(sizes.sort("n_lines"), MAX_VALUES_READ).to_numpy(float).T
    lines = [engine.collect(cells.group_by(one).agg(*_sums("n_lines")), n).set_index(one) for one in dimensions]
    shares = [frame[one.index.name].map(one["n_lines"] / one["n_lines"].sum()).to_numpy(float) for one in lines]
    expected = np.array([n_people @ (1 - (1 - q) ** n_each) for q in reduce(mul, shares)])
    frame = frame.assign(
        expected_customers=expected, lift=frame["n_customers"] / expected,
        z=((frame["n_customers"] - expected) / np.sqrt(expected)).round(6),
    )  # fmt: skip
    striking = frame[frame["z"] >= REAL].sort_values(["z", *dimensions], ascending=[False, *[True] * len(dimensions)])
    return COMBINATIONS.frame(striking.reindex(columns=list(COMBINATIONS.columns)))


# What comes next.


def order_values(sales: Sales, attribute: str) -> Table:
    """Orders of known customers with their main value, of named ones, and that of the customer's ``last`` order."""
    lines = known_lines(sales.tables, sales.run.as_of).filter(nw.col("kind") == "sale", IS_KNOWN)
    lines = _label(lines, sales.labels, {"value": attribute}).filter(~nw.col("value").is_in([OTHER, NOT_KNOWN]))
    times = [nw.col(one).min() for one in ("ordered_at", "ordered_day")]
    orders = lines.group_by("customer_id", "order_id", "value").agg(*_sums(amount="line_amount"), *times)
    orders = orders.with_columns(*[one.over("customer_id", "order_id") for one in times], minus=-nw.col("amount"))
    orders = _place(orders, ["minus", "value"], ("customer_id", "order_id")).filter(nw.col("place") == 1)
    last = nw.col("value").shift(1).over("customer_id", order_by=["ordered_at", "order_id"])
    return orders.select("customer_id", "order_id", "ordered_at", "ordered_day", "value").with_columns(last=last)


def forecast(sales: Sales) -> tuple[pd.DataFrame, pd.DataFrame]:
    """TRANSITIONS before the last ``test_months``, and HITS of what was then known on each customer's first order since. Only
    which values are named, and which are other values, is as of now."""
    starts, params = first_of_month(f"{sales.run.as_of:%Y-%m}", -sales.params.test_months), sales.params
    is_before, n, transitions, hits = nw.col("ordered_day") < day_number(starts), sales.max_pairs, [], []
    for dimension, attribute in sales.leads.items():
        orders = engine.materialise(order_values(sales, attribute))
        steps = orders.filter(is_before).group_by("last", "value").agg(nw.len().alias("n_orders"))
        popularity, learnt = learn(engine.collect(steps, n), params)
        later = _place(orders.filter(~is_before), ["ordered_at", "order_id"], ("customer_id",))
        cases = engine.materialise(later.filter(nw.col("place") == 1, ~nw.col("last").is_null()))
        counted = engine.collect(cases.group_by("last", "value").agg(nw.len().alias("n_cases")), n)
        spend = sum_spend(sales.bought.filter(nw.col("month") < _month(starts)), dimension)
        own = rank_own(cases, weigh(spend, "customer_id", params.shrinkage_lines), params)
        judged = judge(counted, popularity, learnt, engine.collect(own, n))
        transitions.append(learnt.assign(dimension=dimension, attribute=attribute))
        hits.append(judged.assign(dimension=dimension, attribute=attribute))
    return _stack(TRANSITIONS, transitions), _stack(HITS, hits)


def learn(steps: pd.DataFrame, params: Params) -> tuple[pd.Series, pd.DataFrame]:
    """From orders by last and main value: the popularity of each, and TRANSITIONS for every pair, the most popular first."""
    popularity = steps.groupby("value")["n_orders"].sum().sort_values(ascending=False, kind="stable")
    popularity = popularity / popularity.sum()
    counts = steps.dropna(subset=["last"]).pivot(index="last", columns="value", values="n_orders")
    counts = counts.reindex(index=popularity.index, columns=popularity.index).fillna(0).astype(int)
    k = params.shrinkage_orders
    probs = (counts + k * popularity).div(counts.sum(axis=1) + k, axis=0)
    pairs = pd.MultiIndex.from_product([counts.index, counts.columns], names=["last", "next"])
    columns = {"n_orders": counts.to_numpy().ravel(), "next_prob": probs.to_numpy(float).ravel()}
    return popularity, pd.DataFrame(columns, index=pairs).reset_index()


def rank_own(cases: Table, weighed: Table, params: Params) -> Table:
    """How many cases have their value at which ``place`` of the customer's own shrunken shares; null: nobody had bought it."""
    weighed = weighed.filter(nw.col("value") != OTHER)
    guesses = weighed.group_by("value").agg(nw.col("all_share").max()).rename({"value": "guess"})
    n_known = weighed.group_by("customer_id").agg(nw.col("n_known").max())
    own = weighed.select("customer_id", "own_share", guess="value")
    n, k, share = nw.col("n_known").fill_null(0), params.shrinkage_lines, nw.col("own_share").fill_null(0.0)
    score, mine, guess = nw.col("score"), nw.col("mine"), nw.col("guess")
    grid = cases.select("customer_id", "value").join(guesses, how="cross").join(n_known, on="customer_id", how="left")
    grid = grid.join(own, on=["customer_id", "guess"], how="left")
    grid = grid.with_columns(score=((n * share + k * nw.col("all_share")) / (n + k)).round(12))
    grid = grid.with_columns(mine=nw.when(guess == nw.col("value")).then(score).max().over("customer_id"))
    is_ahead = (score > mine) | ((score == mine) & (guess <= nw.col("value")))
    ranked = grid.group_by("customer_id").agg(is_ahead.cast(nw.Int64).sum().cast(nw.Int64).alias("place"))
    return ranked.group_by("place").agg(nw.len().alias("n_cases"))


def judge(cases: pd.DataFrame, popularity: pd.Series, learnt: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """HITS of one dimension: ``cases`` by last and actual value, and ``own``: cases by their place among own tastes."""
    popular = place_names(popularity)
    after = {last: place_names(part.set_index("next")["next_prob"]) for last, part in learnt.groupby("last")}
    pairs = list(cases[["last", "value"]].itertuples(index=False, name=None))
    by_popularity = [popular.get(actual, np.inf) for _last, actual in pairs]
    # The last one comes first, and those more popular than it move down by one.
    same = [
        1 if last == actual else place + (popular[last] > place)
        for (last, actual), place in zip(pairs, by_popularity, strict=True)
    ]
    by_last = [after[last].get(actual, np.inf) for last, actual in pairs]
    guesses = {"most popular": by_popularity, "same as last time": same, "by the last order": by_last}
    guesses = {name: (np.array(places), cases["n_cases"]) for name, places in guesses.items()}
    guesses["own taste"] = (own["place"].astype(float).to_numpy(), own["n_cases"])
    rows = []
    for name, (places, counts) in guesses.items():
        row = {"guess": name, "n_cases": int(cases["n_cases"].sum())}
        for k in HITS_AT:
            # Among as few values as guesses, every guess is right.
            if row["n_cases"] and k < len(popular):
                test = binomtest(int(counts[places <= k].sum()), row["n_cases"])
                interval = test.proportion_ci(method="wilson")
                rates = (test.statistic, interval.low, interval.high)
            else:
                rates = (np.nan,) * 3
            row |= {f"hit_{k}{end}_rate": rate for end, rate in zip(("", "_low", "_high"), rates, strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)


def place_names(probs: pd.Series) -> dict[str, int]:
    """Name → place by probability; ties by name."""
    names = sorted(probs.index, key=lambda name: (-round(probs[name], 12), name))
    return {name: place for place, name in enumerate(names, 1)}


# What to offer, and to whom.


def choose_offer(values: pd.DataFrame, sales: Sales) -> pd.DataFrame:
    """The offer, an attribute a row: that of the parameters, or the value of the first dimension that rises most beyond chance,
    or its largest. Raises ParameterError E-PAR-3 for an attribute or a value that nothing sold has."""
    lead, offer = sales.leads[sales.first], sales.params.offer
    named = values[(values["attribute"] == lead) & ~values["value"].isin([OTHER, NOT_KNOWN])]
    rising = rank_rising(named)["value"]
    chosen = [(lead, value, _("its share of sales rises most")) for value in rising.head(1)]
    chosen = chosen or [(lead, value, _("it sells most, and nothing rises")) for value in named["value"].head(1)]
    if offer:
        chosen = [(attribute, value, _("the parameters name it")) for attribute, value in offer.items()]
        owner = {name: dimension for dimension, names in sales.dimensions.items() for name in names}
        for attribute, value in offer.items():
            if attribute not in owner:
                raise _unknown("attribute of products", "offer", attribute, list(owner))
            names = engine.collect(rank_values(sales.sold, attribute).sort("place").select(attribute), MAX_VALUES_READ)
            if value not in set(names[attribute]):
                raise _unknown("value", f"offer.{attribute}", value, list(names[attribute]))
        if len({owner[one] for one in offer}) < len(offer):
            text = "name at most one attribute of a dimension: within one they are not independent"
            raise ParameterError("E-PAR-3", text, file="params/ctb.yml", column="offer")
    return pd.DataFrame(chosen, columns=["attribute", "value", "chosen"])


def weigh_offer(lines: Table, offer: pd.DataFrame, sales: Sales) -> tuple[Table, pd.DataFrame]:
    """From ``lines``, per customer ``offer_prob``, ``affinity`` and ``reason``; and OFFER, with the shares of all."""
    people, k, shares = lines.filter(IS_KNOWN).select("customer_id").unique(), sales.params.shrinkage_lines, []
    people = people.with_columns(offer_prob=nw.lit(1.0), reason=nw.lit(""))
    for attribute, value in zip(offer["attribute"], offer["value"], strict=True):
        weighed = weigh(sum_spend(_label(lines, sales.sold, {"offered": attribute}), "offered"), "customer_id", k)
        is_it = nw.when(nw.col("value") == value)
        share = engine.collect(weighed.select(is_it.then(nw.col("all_share")).max().fill_null(0.0)), 1).iloc[0, 0]
        shares.append(float(share))
        own = weighed.group_by("customer_id").agg(
            nw.col("n_known").max().alias("n"), is_it.then(nw.col("own_share")).sum().alias("own")
        )
        n, part = nw.col("n").fill_null(0), nw.col("own").fill_null(0.0)
        text = [
            nw.lit(f"{value}: "), (100 * part).round(0).cast(nw.Int64).cast(nw.String),
            nw.lit(_("% of own spend, all customers {share}, lines known: ").format(share=language.percent(shares[-1], 0))),
            n.cast(nw.String),
        ]  # fmt: skip
        between = [nw.lit("; ")] if len(shares) > 1 else []
        people = people.join(own, on="customer_id", how="left").with_columns(
            offer_prob=nw.col("offer_prob") * (n * part + k * shares[-1]) / (n + k),
            reason=nw.concat_str([nw.col("reason"), *between, *text]),
        )
        people = people.drop("n", "own")
    everybody = float(np.prod(shares)) if shares else 0.0
    affinity = nw.col("offer_prob") / everybody if everybody > 0 else nw.lit(0.0)
    return people.with_columns(affinity=affinity), OFFER.frame(offer.assign(all_share=shares))


def check_offer(offer: pd.DataFrame, sales: Sales) -> pd.DataFrame:
    """CHECK: what those spent in the last ``test_months`` whom the list, made before them, would have named."""
    month, starts = nw.col("month"), _month(sales.run.as_of) - sales.params.test_months
    names = {f"offered{n}": one for n, one in enumerate(offer["attribute"])}
    wishes, _offer = weigh_offer(sales.lines.filter(month < starts), offer, sales)
    later = _label(sales.lines.filter(month >= starts, IS_KNOWN, nw.col("n_lines") > 0), sales.sold, names)
    later = later.filter(*[nw.col(one) != NOT_KNOWN for one in names])
    is_it = reduce(and_, [nw.col(one) == value for one, value in zip(names, offer["value"], strict=True)], nw.lit(True))
    later = later.with_columns(offer_amount=nw.when(is_it).then(nw.col("amount"))).group_by("customer_id")
    later = later.agg(*_sums(amount="amount", offer_amount="offer_amount")).join(wishes, on="customer_id", how="left")
    is_listed = (nw.col("affinity") > 1.0).fill_null(False)
    group = nw.when(is_listed).then(nw.lit("on the list")).otherwise(nw.lit("others")).alias("group")
    sums = later.group_by(group).agg(
        nw.len().alias("n_customers"), *_sums(amount="amount", offer_amount="offer_amount")
    )
    frame = engine.collect(sums.sort("group"), 2)
    amount = frame["amount"].astype(float)
    return CHECK.frame(
        frame.assign(later_share=(frame["offer_amount"].astype(float).fillna(0) / amount).where(amount > 0))
    )


def advise(customers: Table, wishes: Table, offer: pd.DataFrame, sales: Sales) -> Table:
    """The action list: active customers more inclined to the offer than all are, the likeliest first."""
    active = nw.col("last_month") >= _month(sales.run.as_of) - sales.params.active_months
    enough = nw.col("n_lines") >= sales.params.min_lines
    listed = customers.join(wishes, on="customer_id", how="left").filter(active, enough, nw.col("affinity") > 1.0)
    listed = listed.with_columns(minus=-nw.col("offer_prob"), less=-nw.col("amount"))
    return _place(listed, ["minus", "less", "customer_id"]).sort("place").select(
        "customer_id",
        nw.col(f"{sales.first}_group").alias("segment"),
        nw.col("place").alias("priority"),
        nw.lit(_("Show first: {what}").format(what=", ".join(offer["value"]))).alias("action"),
        "reason", nw.col("offer_prob", "affinity").round(6), "amount",
    )  # fmt: skip


# Small frame steps.


def rank_rising(values: pd.DataFrame, sign: int = 1) -> pd.DataFrame:
    """The named values whose share rises (``sign`` −1: falls) by more than chance, most points of share first."""
    real = values[~values["value"].isin([OTHER, NOT_KNOWN]) & (sign * values["z"] >= REAL)]
    points = sign * (real["recent_share"] - real["earlier_share"])
    return real.assign(points=points).sort_values(["points", "value"], ascending=[False, True])


def first_dimension(result: Result) -> str:
    return result.attributes["dimension"].iloc[0]


def select(frame: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """The rows of one dimension; none where the source lacks it."""
    return frame[frame["dimension"] == dimension].reset_index(drop=True)


def lead_values(result: Result, dimension: str = "") -> pd.DataFrame:
    """VALUES of the lead attribute of a dimension, or of all."""
    leads = result.attributes.loc[result.attributes["is_lead"], "attribute"]
    values = result.values[result.values["attribute"].isin(leads)].reset_index(drop=True)
    return select(values, dimension) if dimension else values


def key_figures(result: Result) -> list[KeyFigure]:
    """For the first screen: the month's sales of known kind, its largest value, and how many customers prefer something."""
    months, groups = (select(frame, first_dimension(result)) for frame in (result.months, result.groups))
    now = months["month"].max()
    past = {"previous": f"{first_of_month(now, -1):%Y-%m}", "last_year": f"{first_of_month(now, -12):%Y-%m}"}
    named = months[~months["value"].isin([OTHER, NOT_KNOWN])]
    known = months[months["value"] != NOT_KNOWN].groupby("month")["amount"].sum()
    shares = named[named["month"] == now].sort_values(["amount_share", "value"], ascending=[False, True])
    top = shares["value"].iloc[0]
    share = named[named["value"] == top].set_index("month")["amount_share"]
    groups = groups[groups["group"] != TOO_FEW]
    text = _("sales of the month with a known {attribute}").format(attribute=_(months["attribute"].iloc[0]))
    return [
        KeyFigure(name=text, unit="money", value=known[now], **{one: known.get(month) for one, month in past.items()}),
        KeyFigure(
            name=_("{value}, share of the month").format(value=_(top)), unit="share",
            value=share[now], **{one: share.get(month) for one, month in past.items()},
        ),
        KeyFigure(
            name=_("customers with a known preference"), value=groups["n_customers"].sum(),
            previous=groups["n_customers_previous_month"].sum(), last_year=groups["n_customers_last_year"].sum(min_count=1),
        ),
        KeyFigure(name=_("customers on the list"), value=engine.n_rows(result.actions)),
    ]  # fmt: skip


def findings(result: Result, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    values = lead_values(result, first_dimension(result))
    top, attribute = values.iloc[0], _(values["attribute"].iloc[0])
    known = result.attributes.set_index("attribute").loc[values["attribute"].iloc[0], "known_share"]
    told = [
        _("“{value}” is the largest {attribute}: {share} of sales to date ({amount}), bought by {n} customers. The {attribute}"
          " is known of {known} of the lines sold.").format(
            value=_(top["value"]), attribute=attribute, share=language.percent(top["amount_share"]),
            amount=language.short_money(top["amount"], currency), n=language.integer(top["n_customers"]),
            known=language.percent(known))
    ]  # fmt: skip
    told += [_tell_trend(lead_values(result), result.basis)] if result.basis else []
    for group in select(result.groups, first_dimension(result)).head(1).itertuples():
        if group.group not in (OTHER, TOO_FEW):
            told.append(
                _("The largest group, {n} customers ({share}), prefers “{value}”: it is {own} of what they spend each, on"
                  " average.").format(
                    n=language.integer(group.n_customers), share=language.percent(group.customer_share),
                    value=_(group.group), own=language.percent(group.mean_own_share))
            )  # fmt: skip
    told += [_tell_hits(select(result.hits, first_dimension(result)), attribute)]
    told += [_tell_offer(result)] if len(result.offer) else []
    return told


def _tell_trend(values: pd.DataFrame, basis: str) -> str:
    text = _("“{value}” ({attribute}) from {before} to {now}")
    parts = [
        words + ", ".join(
            text.format(value=_(one.value), attribute=_(one.attribute), before=language.percent(one.earlier_share),
                        now=language.percent(one.recent_share))
            for one in rank_rising(values, sign).head(2).itertuples())
        for words, sign in ((_("rising: "), 1), (_("falling: "), -1)) if len(rank_rising(values, sign))
    ]  # fmt: skip
    changes = "; ".join(parts) or _("no share of sales changed by more than chance explains")
    return _("Against {basis}, {changes}.").format(basis=basis, changes=changes)


def _tell_hits(hits: pd.DataFrame, attribute: str) -> str:
    """Which guess is best, and whether by more than chance: where its interval lies above those of the simple guesses."""
    rates = hits.set_index("guess")
    if rates["hit_1_rate"].isna().all():
        return _("What comes next cannot be judged: too few orders, or values, in the last months.")
    best, simple = rates["hit_1_rate"].idxmax(), rates.loc[["most popular", "same as last time"]]
    if best in simple.index:
        verdict = _("“{best}” is as good as anything learnt: a weak ground for a list")
    elif rates.loc[best, "hit_1_low_rate"] > simple["hit_1_high_rate"].max():
        verdict = _("“{best}” is best, by more than chance")
    else:
        verdict = _("“{best}” is best, but not by more than chance")
    guesses = [_("{rate} by “{guess}”").format(rate=language.percent(one.hit_1_rate), guess=_(one.Index))
               for one in rates.itertuples()]  # fmt: skip
    text = _("The {attribute} of the next order is guessed right in {guesses} ({n} cases); {verdict}.")
    n = language.integer(rates["n_cases"].iloc[0])
    return text.format(attribute=attribute, guesses=", ".join(guesses), n=n, verdict=verdict.format(best=_(best)))


def _tell_offer(result: Result) -> str:
    n, shares = engine.n_rows(result.actions), result.check.set_index("group")["later_share"]
    what, why = ", ".join(_(one) for one in result.offer["value"]), result.offer["chosen"].iloc[0]
    text = _("To offer: {what}, because {why}; {n} active customers are more inclined to it than all are.")
    text = text.format(what=what, why=why, n=language.integer(n))
    if len(shares.dropna()) < 2:
        return text
    return text + _(" Such a list, made before the last months, would have named customers who then spent {listed} on it, the"
                    " others {others}.").format(
        listed=language.percent(shares["on the list"]), others=language.percent(shares["others"])
    )  # fmt: skip


MAX_LISTED = 15


def rising_table(result: Result) -> pd.DataFrame:
    """RISING: of every attribute, the first of them."""
    return RISING.frame(rank_rising(result.values).head(MAX_LISTED))


def combination_table(result: Result) -> pd.DataFrame:
    """The most striking of COMBINATIONS."""
    return result.combinations.head(MAX_LISTED)


def title_changes(result: Result) -> str:
    return _("Share of sales in the last months against {basis}").format(basis=result.basis)


# Charts.

MAX_BARS, MAX_ROWS, MAX_COLUMNS, MAX_PANELS = 14, 12, 10, 8


def _named(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Rows whose ``columns`` are named values; amounts as floating point, for drawing."""
    is_rest = [frame[one].isin([OTHER, NOT_KNOWN]) for one in columns]
    return frame[~reduce(lambda left, right: left | right, is_rest)].assign(amount=frame["amount"].astype(float))


def _largest(frame: pd.DataFrame, column: str, n: int) -> list[str]:
    return list(frame.groupby(column)["amount"].sum().sort_values(ascending=False, kind="stable").index[:n])


def plot_values(values: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of sales by value: the largest, the sum of the others, and not known."""
    shown = _named(values, "value").head(MAX_BARS)
    rest = values.drop(shown.index).assign(value=lambda one: one["value"].where(one["value"] == NOT_KNOWN, OTHER))
    rest = rest.groupby("value", as_index=False)["amount_share"].sum().sort_values("value", ascending=False)
    shown = pd.concat([shown, rest], ignore_index=True)
    shown = shown.assign(value=[_(one) for one in shown["value"]])
    return charts.bars(shown, "value", "amount_share", language.percent, xlabel=_("share of sales"), ax=ax)


def plot_changes(values: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The values whose share of sales changed most, in points; those beyond chance stand out."""
    shown = _named(values, "value").dropna(subset="z")
    shown = shown.assign(points=100 * (shown["recent_share"] - shown["earlier_share"]))
    largest = shown.assign(size=shown["points"].abs()).nlargest(MAX_BARS, "size").sort_values("points", ascending=False)
    return charts.bars(
        largest, "value", "points", lambda one: language.signed(round(one, 2), language.plain).removeprefix("±"),
        xlabel=_("change of the share of sales, in points (orange: more than chance)"),
        marked=list(largest.loc[largest["is_real"], "value"]), ax=ax,
    )  # fmt: skip


def plot_months(months: pd.DataFrame) -> Axes:
    """The monthly shares of the largest values."""
    own = _named(months, "value")
    names = _largest(own, "value", MAX_PANELS)
    shown = own[own["value"].isin(names)].sort_values("value", key=lambda one: one.map(names.index), kind="stable")
    label = _("share of the month's sales")
    return charts.small_multiples(shown, "value", "month", "amount_share", _whole_percent, ylabel=label)


def _whole_percent(share: float) -> str:
    return language.percent(share, 0)


def _ratio(number: float) -> str:
    return language.decimal(number) if number >= 0.05 else "<0.1"


def plot_pairs(pairs: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Lift of the largest categories with the largest values of the other dimension."""
    own = _named(pairs, "category", "value")
    rows, columns = _largest(own, "category", MAX_ROWS), _largest(own, "value", MAX_COLUMNS)
    matrix = own.pivot(index="category", columns="value", values="lift").reindex(index=rows, columns=columns)
    xlabel = _(next(iter(pairs["dimension"]), ""))
    return charts.ratio_map(matrix, _ratio, xlabel=xlabel, ylabel=_("category"), ax=ax)


def plot_groups(groups: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of customers and of money of the groups of one dimension."""
    shown = groups.head(MAX_BARS).assign(group=[_(one) for one in groups["group"].head(MAX_BARS)])
    names = {"customer_share": _("share of customers"), "amount_share": _("share of the amount")}
    return charts.paired_bars(shown, "group", names, language.percent, xlabel=_("share"), ax=ax)


def plot_moves(moves: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Where the customers of last month's largest groups are now."""
    sizes = moves.groupby("to_group")["n_customers"].sum().drop(TOO_FEW, errors="ignore")
    names = [*sizes.sort_values(ascending=False, kind="stable").index[: MAX_COLUMNS - 1], TOO_FEW]
    shown = moves[moves["to_group"].isin(names) & (moves["from_group"].isin(names) | moves["from_group"].isna())]
    matrix = move_matrix(shown, "n_customers", names, _("no order yet")).rename(index=_, columns=_)
    labels = {"xlabel": _("preference now"), "ylabel": _("preference a month ago")}
    return charts.heat_map(matrix, language.integer, **labels, ax=ax)


def plot_likes(likes: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Affinity of the groups of customers with the largest values."""
    own = _named(likes, "value")
    rows, columns = _largest(own, "value", MAX_ROWS), _largest(own, "group", MAX_COLUMNS)
    columns = sorted(columns, key=lambda one: (one == NOT_KNOWN, one))
    matrix = own.pivot(index="value", columns="group", values="affinity").reindex(index=rows, columns=columns)
    return charts.ratio_map(matrix.rename(columns=_), _ratio, xlabel=_("customers"), ylabel=_("what they buy"), ax=ax)


def plot_transitions(transitions: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """P(next | last) between the most popular values."""
    names = list(dict.fromkeys(transitions["next"]))[:MAX_COLUMNS]
    matrix = transitions.pivot(index="last", columns="next", values="next_prob").reindex(index=names, columns=names)
    return charts.heat_map(matrix, _whole_percent, xlabel=_("next order"), ylabel=_("last order"), ax=ax)


def plot_hits(hits: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Hit rates at the first and within three guesses."""
    shown = hits.assign(guess=[_(one) for one in hits["guess"]])
    names = {"hit_1_rate": _("first guess"), "hit_3_rate": _("within three guesses")}
    names = {column: name for column, name in names.items() if hits[column].notna().any()} or names
    xlabel = _("share of the orders guessed right")
    return charts.paired_bars(shown, "guess", names, language.percent, xlabel=xlabel, ax=ax)
