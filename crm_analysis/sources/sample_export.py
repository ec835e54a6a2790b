"""The exports of the sample company: its orders, customers, products and contracts as text, with dirt, written to files.

In the frames, a column named as in the exports (`Order No`) is written, one in snake_case stays inside.
"""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
import pandas as pd
import xlsxwriter

from crm_analysis.sources.sample_truth import DIRT, TRUTH

ORDER_COLUMNS = [
    "Order No",
    "Order Date",
    "Customer No",
    "Item No",
    "Quantity",
    "Unit Price",
    "Type",
    "Channel",
    "Salesperson",
]
PRODUCT_COLUMNS = [
    "Item No",
    "Item Name",
    "Department",
    "Category",
    "Subcategory",
    "Colour",
    "Pattern",
    "Material",
    "Brand",
    "List Price",
    "Unit Cost",
]
CUSTOMER_COLUMNS = [
    "Customer No",
    "Name",
    "E-mail",
    "City",
    "Region",
    "Customer Type",
    "Birth Year",
    "Signup Date",
    "Acquisition Channel",
    "Phone",
    "Postcode",
]
CONTRACT_COLUMNS = [
    "Contract No",
    "Customer No",
    "Plan",
    "Payment Method",
    "Billing",
    "Channel",
    "Monthly Fee",
    "Start Date",
    "End Date",
    "End Reason",
]

BROKEN_DATES = ("{}-02-30 10:00", "31/02/{}", "{}-13-05 09:15", "{}-04-31 16:40", "0000-00-00 00:00")
# Kinds of additional lines in DIRT: the cells of a copied line that change; i numbers the lines of a kind.
SOILED_CELLS = {
    "duplicates_in_place": lambda line, i: {},
    "blank_lines": lambda line, i: dict.fromkeys(ORDER_COLUMNS, ""),
    "broken_dates": lambda line, i: {"Order Date": BROKEN_DATES[i].format(line["file_year"])},
    "quantities_in_words": lambda line, i: {"Quantity": "two"},
    "prices_with_currency": lambda line, i: {"Unit Price": line["Unit Price"] + " EUR"},
    "ragged_lines": lambda line, i: {"Unit Price": line["Unit Price"].replace(".", ",")},
    "test_orders": lambda line, i: {"Order No": f"TEST-{i + 1:04d}"},
}
PADDINGS = (("Customer No", " "), ("Customer No", "\u00a0"), ("Item No", " "), ("Item No", "\u00a0"))
BROKEN_START_DATES = ("31.02.2025", "00.00.0000")
CONTRACT_PADDINGS = (
    ("Contract No", " {}"),
    ("Contract No", "{}\u00a0"),
    ("Customer No", " {}"),
    ("Customer No", "{}\u00a0"),
)


def spell_lines(lines: pd.DataFrame, customers: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """The lines in the order of time, every cell as the text that the export shows."""
    lines = lines.sort_values(["minute", "Type", "order"], kind="stable", ignore_index=True)
    moments = np.datetime64(TRUTH.first_day, "m") + lines["minute"].to_numpy()
    customer_ids = np.append(customers["Customer No"].to_numpy(dtype=object), "")  # row -1 is a walk-in
    prefixes = lines["Type"].map({"Sale": "SO", "Return": "R"})
    return pd.DataFrame(
        {
            "Order No": prefixes + "-" + (100_001 + lines["order"]).astype(str),
            "Order Date": [text.replace("T", " ") for text in np.datetime_as_string(moments).tolist()],
            "Customer No": customer_ids[lines["customer"]],
            "Item No": products["Item No"].to_numpy()[lines["product"]],
            "Quantity": lines["quantity"].astype(str),
            "Unit Price": [spell_money(cents, ".") for cents in lines["price_cents"]],
            **lines[["Type", "Channel", "Salesperson"]],
            "file_year": moments.astype("datetime64[Y]").astype(int) + 1970,
            "position": np.arange(len(lines), dtype=float),
        }
    )


def spell_contracts(contracts: pd.DataFrame) -> pd.DataFrame:
    """Every cell as the text that the export shows."""
    texts = contracts[CONTRACT_COLUMNS].fillna({"End Reason": ""})
    texts["Monthly Fee"] = [spell_money(cents, ",") for cents in contracts["Monthly Fee"]]
    for column in ("Start Date", "End Date"):
        texts[column] = contracts[column].dt.strftime("%d.%m.%Y").fillna("")
    return texts


def spell_money(cents: int, decimal_mark: str) -> str:
    return f"{cents // 100}{decimal_mark}{cents % 100:02d}"


def add_dirt(rng: np.random.Generator, lines: pd.DataFrame) -> pd.DataFrame:
    """The lines with `DIRT`, in lines with a customer and a price only, so that no two kinds look alike."""
    lines = lines.copy()
    clean = lines[(lines["Customer No"] != "") & (lines["Unit Price"] != "0.00")]
    past = clean[clean["file_year"] < TRUTH.last_day.year]
    repeated = past.groupby("file_year").tail(DIRT.duplicates_in_next_file // past["file_year"].nunique())
    untouched = iter(rng.permutation(clean.index.difference(repeated.index)))
    soiled = []
    for kind, soiled_cells in SOILED_CELLS.items():
        for i, row in enumerate(islice(untouched, getattr(DIRT, kind))):
            line = lines.loc[row].to_dict()
            soiled.append(line | soiled_cells(line, i) | {"position": row + 0.5})
    for i, row in enumerate(islice(untouched, DIRT.padded_ids)):
        column, padding = PADDINGS[i % len(PADDINGS)]
        lines.loc[row, column] += padding
    next_year = repeated["file_year"] + 1
    start = next_year.map(lines.groupby("file_year")["position"].min()) - 0.5
    repeated = repeated.assign(file_year=next_year, position=start)
    return pd.concat([lines, pd.DataFrame(soiled), repeated]).sort_values("position", kind="stable")


def add_contract_dirt(rng: np.random.Generator, lines: pd.DataFrame) -> pd.DataFrame:
    """The lines with `DIRT`: copies right below their originals, and blanks around ids."""
    lines = lines.copy()
    rows = iter(rng.permutation(lines.index))
    copies = lines.loc[list(islice(rows, DIRT.contract_duplicates))]
    broken = lines.loc[list(islice(rows, DIRT.contract_broken_dates))].assign(**{"Start Date": BROKEN_START_DATES})
    for i, row in enumerate(islice(rows, DIRT.contract_padded_ids)):
        column, padded = CONTRACT_PADDINGS[i % len(CONTRACT_PADDINGS)]
        lines.loc[row, column] = padded.format(lines.loc[row, column])
    return pd.concat([lines, copies, broken]).sort_index(kind="stable")


def write_orders(folder: Path, lines: pd.DataFrame) -> None:
    """One file per year, without quoting, so that ragged and blank lines come out as such."""
    for year, lines_of_year in lines.groupby("file_year"):
        rows = [ORDER_COLUMNS, *lines_of_year[ORDER_COLUMNS].itertuples(index=False)]
        text = "".join((",".join(row) if any(row) else "") + "\r\n" for row in rows)
        (folder / f"orders_{year}.csv").write_bytes(text.encode("utf-8"))


def write_customers(path: Path, customers: pd.DataFrame) -> None:
    """A spreadsheet with date cells, not compressed, since compressed bytes differ between builds of zlib."""
    buffer = BytesIO()
    workbook = xlsxwriter.Workbook(buffer, {"in_memory": True, "default_date_format": "yyyy-mm-dd"})
    workbook.set_properties({"created": datetime(2026, 11, 13, tzinfo=UTC)})
    sheet = workbook.add_worksheet("Customers")
    rows = [CUSTOMER_COLUMNS, *customers[CUSTOMER_COLUMNS].itertuples(index=False)]
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    workbook.close()
    with ZipFile(buffer) as compressed, ZipFile(path, "w", ZIP_STORED) as archive:
        for name in compressed.namelist():
            entry = ZipInfo(name)
            entry.create_system = 3  # Unix, on every system
            archive.writestr(entry, compressed.read(name))


def write_products(path: Path, products: pd.DataFrame) -> None:
    """A file as many European systems write it: semicolons, and decimal commas."""
    products = products.copy()
    for name, cents in {"List Price": "list_price_cents", "Unit Cost": "unit_cost_cents"}.items():
        products[name] = [spell_money(amount, ",") for amount in products[cents]]
    text = products[PRODUCT_COLUMNS].to_csv(sep=";", index=False, lineterminator="\n")
    path.write_bytes(text.encode("utf-8"))


def write_contracts(path: Path, lines: pd.DataFrame) -> None:
    """A file as many European systems write it: semicolons, days first."""
    path.write_bytes(lines.to_csv(sep=";", index=False, lineterminator="\r\n").encode("utf-8"))
