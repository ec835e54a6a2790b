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

from dataclasses import dataclass, field
from functools import partial, reduce

import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, engine, language
from crm_analysis.customers import move_matrix
from crm_analysis.engine import Table, Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _, counted, mark
from crm_analysis.params import FROM_1, Run, check_bounds, first_of_month, nearest
from crm_analysis.schema import KeyFigure, Shape
from crm_analysis.tastes import attributes, offers, pairs, preferences, sequences, trends
from crm_analysis.tastes.attributes import NOT_KNOWN, OTHER
from crm_analysis.tastes.preferences import GROUPS, TOO_FEW
from crm_analysis.tastes.sales import prepare
from crm_analysis.tastes.sequences import HITS
from crm_analysis.tastes.trends import VALUES, rank_rising

REQUIRES = ("order_lines", "products")
# Where the report stands in the pack.
PLACE = 30
DIMENSIONS = (mark("category"), mark("taste"), mark("brand"))
MAX_LISTED = 15
NOBODY = mark("no order yet")

ATTRIBUTES, COMBINATIONS, OFFER, CHECK = attributes.ATTRIBUTES, pairs.COMBINATIONS, offers.OFFER, offers.CHECK


def _part(shape: Shape, grain: str, *columns: str) -> Shape:
    return Shape(grain, {one: shape.columns[one] for one in columns})


ACTIONS = offers.ACTIONS
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

    category: tuple[str, ...] = attributes.CATEGORY
    taste: tuple[str, ...] = attributes.TASTE
    brand: tuple[str, ...] = attributes.BRAND
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
            twice = next(one for one in names if names.count(one) > 1)
            raise ValueError(f"the attribute '{twice}' stands in two dimensions, or twice in one")
        for dimension, lead in self.leads.items():
            if dimension not in DIMENSIONS:
                raise ValueError(f"leads names '{dimension}'{nearest(dimension, DIMENSIONS)}")
            if lead not in getattr(self, dimension):
                raise ValueError(f"leads names '{lead}' for {dimension}{nearest(lead, getattr(self, dimension))}")
        months = ("trend_months", "test_months", "active_months")
        sizes = ("shrinkage_lines", "shrinkage_orders", "min_lines", "min_cell_customers", "min_customers", "list_rows")
        check_bounds(self, {"max_values": (2, 100), **dict.fromkeys(months, (1, 120)), **dict.fromkeys(sizes, FROM_1)})

    @property
    def dimensions(self) -> dict[str, tuple[str, ...]]:
        """Dimension → its attributes."""
        return {one: getattr(self, one) for one in DIMENSIONS}


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


def analyse(tables: Tables, run: Run, params: Params) -> Result:
    """What sells, what rises, who likes what, and what comes next, at the end of ``run.month``. Raises NotEnoughData, and
    ParameterError for a name in ``offer`` or ``group_by`` that the source does not have."""
    k, min_lines, min_cell = params.shrinkage_lines, params.min_lines, params.min_cell_customers
    sales = prepare(tables, run, params.dimensions, params.leads, params.max_values)
    customers = engine.materialise(preferences.prefer(sales.bought, sales.leads, k, min_lines))
    _require(customers, params.min_customers)
    values, basis = trends.measure_values(sales, params.trend_months)
    groups, moves = preferences.follow(customers, sales, k, min_lines)
    transitions, hits = sequences.forecast(sales, params.test_months, params.shrinkage_orders, k)
    chosen = offers.choose_offer(values, sales, params.offer)
    wishes, offer = offers.weigh_offer(sales.lines, chosen, sales.sold, k)
    return Result(
        customers=customers.drop("last_month"),
        actions=offers.advise(customers, wishes, offer, sales, params.active_months, min_lines),
        attributes=sales.attributes,
        values=values,
        months=trends.share_months(sales),
        pairs=pairs.relate(sales, min_cell),
        combinations=pairs.combine(sales, min_cell),
        groups=groups,
        moves=moves,
        likes=preferences.compare_groups(sales, params.group_by, k, min_cell),
        transitions=transitions,
        hits=hits,
        offer=offer,
        check=offers.check_offer(offer, sales, params.test_months, k),
        basis=basis,
    )


def _require(customers: Table, min_customers: int) -> None:
    n = engine.n_rows(customers)
    if n < min_customers:
        reason = counted(
            n,
            "{n} customer with a sale by then, and the method needs {least}",
            "{n} customers with a sale by then, and the method needs {least}",
            least=min_customers,
        )
        raise NotEnoughData("E-MIN-1", reason, file="order_lines")


# Small frame steps.


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
        KeyFigure(
            name=text, unit="money", value=known[now], **{one: known.get(month) for one, month in past.items()},
            meaning=_("What was sold in the month of products whose attribute is known."),
        ),
        KeyFigure(
            name=_("{value}, share of the month").format(value=top), unit="share",
            value=share[now], **{one: share.get(month) for one, month in past.items()},
            meaning=_("The month's largest value, as a share of all sales."),
        ),
        KeyFigure(
            name=_("customers with a known preference"), value=groups["n_customers"].sum(),
            previous=groups["n_customers_previous_month"].sum(), last_year=groups["n_customers_last_year"].sum(min_count=1),
            meaning=_("Customers with enough orders to tell what they buy more of than others do."),
        ),
        KeyFigure(
            name=_("customers on the list"), value=engine.n_rows(result.actions),
            meaning=_("Active customers who are more inclined to what is offered than all are."),
        ),
    ]  # fmt: skip


def findings(result: Result, currency: str) -> list[str]:
    """What the numbers say, most important first."""
    values = lead_values(result, first_dimension(result))
    top, attribute = values.iloc[0], _(values["attribute"].iloc[0])
    known = result.attributes.set_index("attribute").loc[values["attribute"].iloc[0], "known_share"]
    told = [
        _("“{value}” is the largest {attribute}: {share} of sales to date ({amount}), bought by {n} customers. The {attribute}"
          " is known of {known} of the lines sold.").format(
            value=_show_value(top["value"]), attribute=attribute, share=language.percent(top["amount_share"]),
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
                    value=group.group, own=language.percent(group.mean_own_share))
            )  # fmt: skip
    told += [_tell_hits(select(result.hits, first_dimension(result)), attribute)]
    told += [_tell_offer(result)] if len(result.offer) else []
    return told


def _tell_trend(values: pd.DataFrame, basis: str) -> str:
    change = _("“{value}” ({attribute}) from {before} to {now}")
    rising, falling = (
        language.listed([
            change.format(value=one.value, attribute=_(one.attribute), before=language.percent(one.earlier_share),
                          now=language.percent(one.recent_share))
            for one in rank_rising(values, sign).head(2).itertuples()])
        for sign in (1, -1)
    )  # fmt: skip
    text = _("Against {basis}, no share of sales changed by more than chance explains.")
    if rising and falling:
        text = _("Against {basis}, rising: {rising}; falling: {falling}.")
    elif rising:
        text = _("Against {basis}, rising: {rising}.")
    elif falling:
        text = _("Against {basis}, falling: {falling}.")
    return text.format(basis=_(basis), rising=rising, falling=falling)


def _tell_hits(hits: pd.DataFrame, attribute: str) -> str:
    """Which guess is best, and whether by more than chance: where its interval lies above those of the simple guesses."""
    rates = hits.set_index("guess")
    if rates["hit_1_rate"].isna().all():
        return _("What comes next cannot be judged: too few orders, or values, in the last months.")
    best, simple = rates["hit_1_rate"].idxmax(), rates.loc[[sequences.POPULAR, sequences.SAME]]
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
    return text.format(attribute=attribute, guesses=language.listed(guesses), n=n, verdict=verdict.format(best=_(best)))


def _tell_offer(result: Result) -> str:
    n, shares = engine.n_rows(result.actions), result.check.set_index("group")["later_share"]
    text = counted(
        n,
        "To offer: {what}, because {why}; {n} active customer is more inclined to it than all are.",
        "To offer: {what}, because {why}; {n} active customers are more inclined to it than all are.",
        what=language.listed(list(result.offer["value"])), why=_(result.offer["chosen"].iloc[0]),
    )  # fmt: skip
    if len(shares.dropna()) < 2:
        return text
    check = _("Such a list, made before the last months, would have named customers who then spent {listed} on it, the others"
              " {others}.")  # fmt: skip
    listed, others = (language.percent(shares[one]) for one in (offers.LISTED, offers.OTHERS))
    return language.together(text, check.format(listed=listed, others=others))


def rising_table(result: Result) -> pd.DataFrame:
    """RISING: of every attribute, the first of them."""
    return RISING.frame(rank_rising(result.values).head(MAX_LISTED))


def combination_table(result: Result) -> pd.DataFrame:
    """The most striking of COMBINATIONS."""
    return result.combinations.head(MAX_LISTED)


def title_changes(result: Result) -> str:
    return _("Share of sales in the last months against {basis}").format(basis=_(result.basis))


# Charts.

MAX_BARS, MAX_ROWS, MAX_COLUMNS, MAX_PANELS = 14, 12, 10, 8
# Data as they are, but for these words of ours among them.
_show_value = partial(language.own, words=(OTHER, NOT_KNOWN))
_show_group = partial(language.own, words=(OTHER, TOO_FEW, NOBODY))


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
    shown = shown.assign(value=[_show_value(one) for one in shown["value"]])
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
    shown = groups.head(MAX_BARS).assign(group=[_show_group(one) for one in groups["group"].head(MAX_BARS)])
    names = {"customer_share": _("share of customers"), "amount_share": _("share of the amount")}
    return charts.paired_bars(shown, "group", names, language.percent, xlabel=_("share"), ax=ax)


def plot_moves(moves: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Where the customers of last month's largest groups are now."""
    sizes = moves.groupby("to_group")["n_customers"].sum().drop(TOO_FEW, errors="ignore")
    names = [*sizes.sort_values(ascending=False, kind="stable").index[: MAX_COLUMNS - 1], TOO_FEW]
    shown = moves[moves["to_group"].isin(names) & (moves["from_group"].isin(names) | moves["from_group"].isna())]
    matrix = move_matrix(shown, "n_customers", names, NOBODY).rename(index=_show_group, columns=_show_group)
    labels = {"xlabel": _("preference now"), "ylabel": _("preference a month ago")}
    return charts.heat_map(matrix, language.integer, **labels, ax=ax)


def plot_likes(likes: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Affinity of the groups of customers with the largest values."""
    own = _named(likes, "value")
    rows, columns = _largest(own, "value", MAX_ROWS), _largest(own, "group", MAX_COLUMNS)
    columns = sorted(columns, key=lambda one: (one == NOT_KNOWN, one))
    matrix = own.pivot(index="value", columns="group", values="affinity").reindex(index=rows, columns=columns)
    matrix = matrix.rename(columns=_show_value)
    return charts.ratio_map(matrix, _ratio, xlabel=_("customers"), ylabel=_("what they buy"), ax=ax)


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
