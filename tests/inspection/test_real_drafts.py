"""Drafts for the real data sets say what the hand-written contracts say, and are sensible where there is none."""

from __future__ import annotations

import pytest

from crm_analysis.inspection.drafting import propose
from crm_analysis.params import read_yaml
from crm_analysis.sources.contract import DECIDE

pytestmark = pytest.mark.xdist_group("inspection of real data")


@pytest.fixture(scope="module")
def entries_of(real_data, tmp_path_factory):
    """``entries_of("cdnow/CDNOW_master.txt", …)``: the draft's entries, as read again."""

    def draft(*names):
        root = tmp_path_factory.mktemp("drafts")
        path = root / "draft.yml"
        path.write_text(propose([real_data / name for name in names], "Test", root), encoding="utf-8")
        return read_yaml(path)

    return draft


# What hand-written contracts choose to name otherwise, or leave out, and why that is no mistake of the draft.
SEEN_AND_LEFT_OUT = {
    ("completejourney", "channel"),  # The shop, by its number.
    ("cdnow_sample", "customer_id"),  # Two columns number the customers; each serves.
}
FILES = {
    "online_retail": ["online_retail/online_retail.csv.gz"],
    "cdnow": ["cdnow/CDNOW_master.txt"],
    "cdnow_sample": ["cdnow/CDNOW_sample.txt"],
    "superstore": ["superstore/Sample_-_Superstore.csv.gz"],
    "completejourney": [f"completejourney/{one}.parquet" for one in ("demographics", "products", "transactions")],
    "telco": ["telco/WA_Fn-UseC_-Telco-Customer-Churn.csv.gz"],
    "telco_workbook": ["telco/Telco_customer_churn.xlsx"],
}


@pytest.mark.parametrize("source", FILES)
def test_a_draft_says_what_the_contract_says(entries_of, project, source):
    draft = entries_of(*FILES[source])
    contract = read_yaml(project / "params" / "sources" / f"{source}.yml")
    assert draft["currency"] == draft["time_zone"] == DECIDE
    # The files of its campaigns are not looked at here.
    for name in {"campaigns", "campaign_contacts"} & set(contract["tables"]):
        del contract["tables"][name]
    for name, table in contract["tables"].items():
        found = draft["tables"][name]
        columns = {key: one for key, one in found["columns"].items() if (source, key) not in SEEN_AND_LEFT_OUT}
        wanted = {key: one for key, one in table["columns"].items() if (source, key) not in SEEN_AND_LEFT_OUT}
        assert columns == wanted
        for key in ("encoding", "delimiter", "decimal", "header", "datetime", "date"):
            if key in table.get("format", {}):
                assert found["format"][key] == table["format"][key]
        for key in ("returns", "from"):
            if key in table:
                assert found[key] == table[key]
    if "money_decimals" in contract and source != "online_retail":
        assert draft["money_decimals"] == contract["money_decimals"]
    attributes = {key: contract["tables"][key].get("attributes", {}).values() for key in contract["tables"]}
    for key, columns in attributes.items():
        plain = {one for one in columns if isinstance(one, str)}
        assert len(plain & set(draft["tables"][key].get("attributes", {}).values())) >= 0.6 * len(plain)
    assert set(draft["tables"]) == set(contract["tables"])


def test_deals_customers_and_products_of_a_crm(entries_of):
    names = ("accounts", "products", "sales_pipeline", "sales_teams")
    tables = entries_of(*(f"crm_opportunities/{one}.csv.gz" for one in names))["tables"]
    assert set(tables) == {"customers", "products", "opportunities"}
    assert tables["customers"]["columns"] == {"customer_id": "account"}
    assert tables["customers"]["attributes"]["sector"] == "sector"
    assert tables["products"]["columns"] == {"product_id": "product", "list_price": "sales_price"}
    assert tables["opportunities"]["columns"] == {
        "opportunity_id": "opportunity_id",
        "customer_id": "account",
        "product_id": "product",
        "stage": "deal_stage",
        "is_won": {"column": "deal_stage", "yes": ["Won"], "no": ["Engaging", "Lost", "Prospecting"]},
        "is_lost": {"column": "deal_stage", "yes": ["Lost"], "no": ["Engaging", "Prospecting", "Won"]},
        "opened_date": "engage_date",
        "closed_date": "close_date",
        "opportunity_amount": "close_value",
        "salesperson": "sales_agent",
    }


def test_invoices(entries_of):
    (table,) = entries_of("accounts_receivable/WA_Fn-UseC_-Accounts-Receivable.csv.gz")["tables"].items()
    assert table[0] == "payments"
    assert table[1]["format"]["date"] == "%m/%d/%Y"
    assert table[1]["columns"] == {
        "invoice_id": "invoiceNumber",
        "customer_id": "customerID",
        "invoiced_date": "InvoiceDate",
        "due_date": "DueDate",
        "paid_date": "SettledDate",
        "invoice_amount": "InvoiceAmount",
        "is_disputed": {"column": "Disputed", "yes": ["Yes"], "no": ["No"]},
    }


def test_customers_an_experiment_and_reviews(entries_of):
    (customers,) = entries_of("customer_personality/marketing_campaign.csv.gz")["tables"].items()
    assert customers[0] == "customers"
    assert customers[1]["format"] == {"encoding": "utf-8", "delimiter": ";", "date": "%Y-%m-%d"}
    assert customers[1]["columns"] == {"customer_id": "ID", "signed_up_date": "Dt_Customer"}
    assert {"Education", "Marital_Status"} <= set(customers[1]["attributes"].values())
    (contacts,) = entries_of("hillstrom/hillstrom.csv.gz")["tables"].values()
    assert contacts["columns"]["arm"] == "segment"
    assert contacts["columns"]["is_control"] == {
        "column": "segment", "yes": ["No E-Mail"], "no": ["Mens E-Mail", "Womens E-Mail"],
    }  # fmt: skip
    assert contacts["columns"]["campaign_id"] == DECIDE
    (reviews,) = entries_of("zh_reviews/online_shopping_10_cats.csv.gz")["tables"].items()
    assert reviews[0] == "feedback"
    assert reviews[1]["columns"] == {"rating": "label", "topic": "cat", "feedback_text": "review"}


def test_baskets_without_amounts_are_a_question(entries_of):
    (lines,) = entries_of("groceries/Groceries_dataset.csv.gz")["tables"].values()
    assert lines["format"]["datetime"] == "%d-%m-%Y"
    assert lines["columns"] == {
        "order_id": {"columns": ["Member_number", "Date"]},
        "customer_id": "Member_number",
        "ordered_at": "Date",
        "product_id": "itemDescription",
        "line_amount": DECIDE,
    }


def test_what_is_no_table_of_ours_is_none(entries_of):
    tables = entries_of("bank_marketing/bank.csv.gz", "crm_opportunities/sales_teams.csv.gz")["tables"]
    assert tables == DECIDE
