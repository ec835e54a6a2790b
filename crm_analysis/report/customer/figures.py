"""What one customer brought by the end of a month: key figures, the course by month, and what was bought.

The definitions are those of the reports: ``customers``, ``contracts``, ``receivables`` and ``turnover``, of tables with one customer
in them.
"""

from __future__ import annotations

from datetime import date, timedelta

import narwhals as nw
import pandas as pd
from matplotlib.axes import Axes

from crm_analysis import charts, contracts, engine, language
from crm_analysis.customers import known_orders, margin_rate, summarise_customers
from crm_analysis.engine import Tables
from crm_analysis.errors import NotEnoughData
from crm_analysis.language import _
from crm_analysis.params import Run
from crm_analysis.receivables import known_invoices, sum_payers
from crm_analysis.schema import Column, KeyFigure, Shape
from crm_analysis.turnover.sold import (
    CHANNEL,
    NOT_KNOWN,
    REGION,
    SALESPERSON,
    Days,
    Turnover,
    months_back,
    ratio,
    read,
    sum_days,
)

WINDOW_MONTHS, MONTHS_SHOWN, TOP = 12, 36, 10
_EPOCH = date(1970, 1, 1)
_USUAL = (REGION, CHANNEL, SALESPERSON)

MONTHS = Shape(
    "one row per month from the first sale on",
    {
        "month": Column("text", "month"),
        "n_orders": Column("integer", "orders"),
        "amount": Column("money", "sales less returns"),
        "gross_amount": Column("money", "sales"),
        "returned_amount": Column("money", "returns"),
    },
)
BOUGHT = Shape(
    "what was bought, the largest amount first",
    {
        "value": Column("text", "bought", own=(NOT_KNOWN,)),
        "amount": Column("money", "amount to date"),
        "amount_share": Column("fraction", "share"),
        "n_orders": Column("integer", "orders"),
        "last_date": Column("date", "last bought"),
    },
)


def read_sales(tables: Tables, run: Run) -> Turnover | None:
    """What was sold to the customer by then, as order lines, orders, deals won or invoices; None where nothing was."""
    try:
        return read(tables, run.as_of)
    except NotEnoughData:
        return None


def usual(sales: Turnover, tables: Tables) -> list[tuple[str, str]]:
    """Where, by which way and by whom most was sold, with its share, where the rows of the sales tell it."""
    of_customers = tables["customers"].collect_schema().names() if "customers" in tables else []
    told = []
    for dimension in _USUAL:
        if sales.dimensions.get(dimension) in of_customers:
            continue
        values = describe_bought(sales, dimension)
        if len(values) and values["value"].iloc[0] != NOT_KNOWN:
            share = language.percent(values["amount_share"].iloc[0])
            told.append((_(dimension), _("{value} ({share})").format(value=values["value"].iloc[0], share=share)))
    return told


def order_figures(tables: Tables, run: Run, currency: str) -> tuple[list[KeyFigure], list[tuple[str, str]]]:
    """Key figures of the orders by then, and their days as facts; nothing where there was no order."""
    if "orders" not in tables:
        return [], []
    orders = known_orders(tables, run.as_of)
    found = engine.collect(summarise_customers(orders, run.as_of), 1)
    if found.empty:
        return [], []
    one, day = found.iloc[0], nw.col("ordered_day")
    now, before = (months_back(run.as_of, back * WINDOW_MONTHS) for back in (1, 2))
    net, zero = nw.col("net_amount"), nw.lit(0)
    sums = engine.collect(
        orders.select(
            now=nw.when(day >= now).then(net).otherwise(zero).sum(),
            before=nw.when((day >= before) & (day < now)).then(net).otherwise(zero).sum(),
        ), 1,
    ).iloc[0]  # fmt: skip
    first, last = (_EPOCH + timedelta(int(one[f"{which}_ordered_day"])) for which in ("first", "last"))
    figures = [
        KeyFigure(name=_("amount to date"), value=one["net_amount"], unit="money"),
        KeyFigure(name=_("last 12 months"), value=sums["now"], unit="money", last_year=sums["before"]),
        KeyFigure(name=_("orders"), value=one["n_orders"]),
        KeyFigure(name=_("days since the last order"), value=one["days_since_last_order"]),
        KeyFigure(name=_("average order"), value=one["average_order_amount"], unit="money"),
        KeyFigure(
            name=_("returns, share of the sales"),
            value=ratio(one["returned_amount"], one["gross_amount"]),
            unit="share",
        ),
        KeyFigure(name=_("margin, share of the amount"), value=margin(tables, run, first), unit="share"),
    ]
    gap = one["mean_days_between_orders"]
    facts = [
        (_("first order"), language.day(first)),
        (_("last order"), language.day(last)),
        (_("days between orders, mean"), language.decimal(gap) if gap == gap else "–"),
        (
            _("sales before returns ({currency})").format(currency=currency),
            language.amount(one["gross_amount"], currency),
        ),
        (_("returned ({currency})").format(currency=currency), language.amount(one["returned_amount"], currency)),
    ]
    return [figure for figure in figures if figure.value == figure.value and figure.value is not None], facts


def margin(tables: Tables, run: Run, first: date) -> float | None:
    """Profit as a share of the net amount of all orders by then, as ``customers.margin_rate`` has it."""
    months = 12 * (run.as_of.year - first.year) + run.as_of.month - first.month + 1
    return margin_rate(tables, run.as_of, months)


def sold_figures(sales: Turnover | None, run: Run) -> list[KeyFigure]:
    """Key figures of deals won or invoices, where the source has no orders."""
    names = {"opportunities": _("deals won to date"), "payments": _("invoiced to date")}
    if sales is None or sales.source not in names:
        return []
    now, before = (months_back(run.as_of, back * WINDOW_MONTHS) for back in (1, 2))
    periods = {"now": Days(now, months_back(run.as_of, 0)), "before": Days(before, now)}
    sums = engine.collect(sales.sold.select(nw.col("amount").sum(), *sum_days(periods, ["amount"])), 1).iloc[0]
    return [
        KeyFigure(name=names[sales.source], value=sums["amount"], unit="money"),
        KeyFigure(name=_("last 12 months"), value=sums["amount_now"], unit="money", last_year=sums["amount_before"]),
    ]


def contract_figures(tables: Tables, run: Run, currency: str) -> tuple[list[KeyFigure], list[tuple[str, str]]]:
    """The same of contracts; nothing where none had begun, or where their export is of another month."""
    if "contracts" not in tables or not engine.n_rows(tables["contracts"]):
        return [], []
    try:
        known = contracts.known_contracts(tables, run.as_of)
    except NotEnoughData:
        return [], []
    found = engine.collect(contracts.summarise_contracts(known, run.as_of), 1)
    if found.empty:
        return [], []
    one = found.iloc[0]
    monthly, per_month = one["monthly_amount"], _("amount per month ({currency})").format(currency=currency)
    figures = [
        KeyFigure(name=_("amount per month"), value=monthly if one["is_running"] else None, unit="money"),
        KeyFigure(name=_("billed to date"), value=one["total_amount"], unit="money"),
    ]
    ended = None if pd.isna(one["ended_day"]) else _EPOCH + timedelta(int(one["ended_day"]))
    facts = [
        (_("contract"), _("running") if one["is_running"] else _("ended")),
        *([] if pd.isna(monthly) else [(per_month, language.amount(monthly, currency))]),
        (_("months under contract"), language.decimal(one["tenure_months"])),
        *([(_("ended on"), language.day(ended))] if ended and not one["is_running"] else []),
        *([(_("reason"), one["end_reason"])] if not pd.isna(one["end_reason"]) else []),
        *[
            (language.attribute(name), str(one[name]))
            for name in contracts.attributes_of(known, "contracts")
            if not pd.isna(one[name])
        ],
    ]
    return [figure for figure in figures if not pd.isna(figure.value)], facts


def payment_figures(tables: Tables, run: Run) -> tuple[list[KeyFigure], list[tuple[str, str]]]:
    """The same of invoices; nothing where there was none."""
    if "payments" not in tables:
        return [], []
    starts = tuple(months_back(run.as_of, back * WINDOW_MONTHS) for back in (1, 2))
    invoices = known_invoices(tables, run.as_of, starts[0])
    n = engine.n_rows(invoices)
    if not n:
        return [], []
    one = engine.collect(sum_payers(invoices, run.as_of, starts, 0.0), 1).iloc[0]
    figures = [
        KeyFigure(name=_("open now"), value=one["open_amount"], unit="money"),
        KeyFigure(name=_("overdue now"), value=one["overdue_amount"], unit="money"),
    ]
    if one["n_invoices"]:
        figures.append(KeyFigure(name=_("paid on time, last 12 months"), value=one["on_time_share"], unit="share"))
    facts = [
        (_("invoices"), language.integer(n)),
        (_("of these due in the last 12 months"), language.integer(one["n_invoices"])),
    ]
    if one["n_invoices"]:
        facts += [
            (_("days late, mean"), language.decimal(one["mean_days_late"])),
            (_("most days late"), language.integer(one["worst_days_late"])),
        ]
    return figures, facts


def describe_months(sales: Turnover, run: Run) -> pd.DataFrame:
    """MONTHS, of the last ``MONTHS_SHOWN`` at most; zeros where nothing was sold."""
    end = 12 * run.as_of.year + run.as_of.month
    first = _EPOCH + timedelta(sales.first_day)
    numbers = range(max(12 * first.year + first.month, end - MONTHS_SHOWN), end)
    amounts = ("amount", "gross_amount", "returned_amount")
    orders = sales.sold.filter("is_order").group_by("month").agg(n_orders=nw.col("order_id").n_unique().cast(nw.Int64))
    sums = sales.sold.group_by("month").agg(*[nw.col(one).sum() for one in amounts])
    frame = engine.collect(
        sums.join(orders, on="month", how="left").filter(nw.col("month") >= numbers.start), MONTHS_SHOWN
    )
    frame = frame.set_index("month").reindex(list(numbers))
    frame["n_orders"] = [0 if pd.isna(one) else int(one) for one in frame["n_orders"]]
    for name in amounts:
        frame[name] = [0 if pd.isna(one) else one for one in frame[name]]
    return MONTHS.frame(frame.assign(month=[f"{(one - 1) // 12}-{(one - 1) % 12 + 1:02}" for one in numbers]))


def plot_months(months: pd.DataFrame, currency: str) -> Axes:
    """Sales less returns by month."""
    ylabel = _("net sales ({currency})").format(currency=currency)
    return charts.columns(months, "month", "amount", language.short_number, ylabel=ylabel)


def describe_bought(sales: Turnover, dimension: str) -> pd.DataFrame:
    """BOUGHT: the largest values of a dimension; without rows where the source does not tell it."""
    if dimension not in sales.dimensions:
        return pd.DataFrame(columns=list(BOUGHT.columns))
    is_order = nw.when("is_order")
    sums = sales.sold.group_by(nw.col(f"by_{dimension}").alias("value")).agg(
        nw.col("amount").sum(),
        last_day=is_order.then("day").max(),
        n_orders=is_order.then("order_id").n_unique().cast(nw.Int64),
        n_rows=nw.len(),
        n_sales=nw.col("is_order").cast(nw.Int64).sum(),
    )
    whole = engine.collect(sales.sold.select(nw.col("amount").sum()), 1)["amount"].iloc[0]
    top = sums.with_columns(_less=-nw.col("amount")).sort("_less", "value").head(TOP)
    frame = engine.collect(top, TOP)
    days = [None if pd.isna(one) else _EPOCH + timedelta(int(one)) for one in frame["last_day"]]
    # The empty number of what is no order is counted as one more.
    n_orders = [
        n - (sold < rows) for n, sold, rows in zip(frame["n_orders"], frame["n_sales"], frame["n_rows"], strict=True)
    ]
    shares = [ratio(one, whole) for one in frame["amount"]]
    return BOUGHT.frame(frame.assign(last_date=days, n_orders=n_orders, amount_share=shares))
