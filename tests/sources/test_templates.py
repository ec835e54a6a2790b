"""The contracts for exports of well-known systems read them as those systems write them, quirks and all."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime
from decimal import Decimal

import pytest

from crm_analysis.errors import InputError
from crm_analysis.sources.contract import read_contract

TEMPLATES = ("hubspot", "salesforce", "shopify", "zoho")


@pytest.fixture
def export(make_source, project):
    """``export("shopify", {file: text})``: the database of these files by the template; ``changes`` are made to its text."""

    def build(name: str, files: dict[str, str], *changes: tuple[str, str], only: tuple[str, ...] = ()):
        text = (project / "params" / "templates" / f"{name}.yml").read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        if only:
            head, *tables = re.split(r"(?m)^(?=  [a-z_]+:)", text)
            text = head + "".join(one for one in tables if one.strip().partition(":")[0] in only)
        return make_source(text, {f"data/{file}": content for file, content in files.items()}).build()

    return build


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_a_contract(project, name):
    contract = read_contract(project / "params" / "templates" / f"{name}.yml")
    assert contract.tables
    assert all(one.files and one.files[0].startswith("data/") for one in contract.tables.values())


def test_every_template_is_tested(project):
    assert sorted(path.stem for path in (project / "params" / "templates").glob("*.yml")) == sorted(TEMPLATES)


# --- Shopify ---------------------------------------------------------------------------------------------------------

ORDERS_HEAD = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Accepts Marketing,Currency,Subtotal,Shipping,Taxes,Total,"
    "Discount Code,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Billing Name,"
    "Billing Country,Notes,Cancelled at,Refunded Amount,Vendor,Id,Source,Lineitem discount\n"
)
SHOPIFY_ORDERS = ORDERS_HEAD + (
    '#1001,ada@example.com,paid,2024-01-05 10:11:20 +0800,fulfilled,yes,USD,47.00,6.00,3.29,56.29,FALL5,5.00,'
    '2024-01-05 10:11:12 +0800,2,Fern Print - A4,16.00,FERN-1,Ada Example,US,"Leave at the door,\nplease",,20.00,Leaf,555,web,0.00\n'
    "#1001,ada@example.com,,,,,,,,,,,,,1,Canvas Tote,20.00,TOTE-1,,,,,,Leaf,,,0.00\n"
    "#1002,bo@example.com,pending,,,no,USD,25.00,0.00,0.00,25.00,,0.00,"
    "2024-01-31 23:30:00 -0500,1,Mug,25.00,MUG-1,Bo Example,CA,,,0.00,Clay,556,pos,0.00\n"
    "#1003,cy@example.com,voided,,,no,USD,25.00,0.00,0.00,25.00,,0.00,"
    "2024-02-01 09:00:00 -0500,1,Mug,25.00,MUG-1,Cy Example,US,,,0.00,Clay,557,web,0.00\n"
    "#1003,cy@example.com,,,,,,,,,,,,,1,Canvas Tote,0.00,TOTE-1,,,,,,Leaf,,,0.00\n"
    "#1004,cy@example.com,refunded,,,no,USD,25.00,0.00,0.00,25.00,,0.00,"
    "2024-02-02 09:00:00 -0500,1,Mug,25.00,MUG-1,Cy Example,US,,2024-02-02 10:00:00 -0500,25.00,Clay,558,web,0.00\n"
    "#1005,,paid,,,no,USD,0.00,0.00,0.00,0.00,GIFT,16.00,"
    "2024-02-03 09:00:00 -0500,1,Fern Print - A4,16.00,FERN-1,,US,,,0.00,Leaf,559,pos,0.00\n"
)  # fmt: skip
SHOPIFY_CUSTOMERS = (
    "\ufeffCustomer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address City,Default Address Province Code,"
    "Default Address Country Code,Phone,Total Spent,Total Orders,Tags\n"
    "'8779761975521,Ada,Example,ada@example.com,yes,Testville,NY,US,'+15550100,47.00,1,VIP\n"
    "'8779761975522,Bo,Example,bo@example.com,no,,,CA,,25.00,1,\n"
    "'8779761975523,No,Mail,,no,,,US,'+15550101,0.00,0,\n"
)
SHOPIFY_PRODUCTS = (
    "Title,URL handle,Description,Vendor,Type,Tags,Status,SKU,Option1 name,Option1 value,Price,Cost per item,Product image URL\n"
    'Fern Print,fern-print,"<p>Green,\n""lush""</p>",Leaf,Print,,Active,FERN-1,Size,A4,16.00,4.10,https://example.com/1.png\n'
    ",fern-print,,,,,,FERN-2,,A3,24.00,5.00,\n"
    ",fern-print,,,,,,,,,,,https://example.com/2.png\n"
    "Mug,mug,,Clay,Kitchen,,Active,MUG-1,Title,Default Title,25.00,,\n"
)
SHOPIFY = {
    "orders_export_1.csv": SHOPIFY_ORDERS,
    "customers_export.csv": SHOPIFY_CUSTOMERS,
    "products_export.csv": SHOPIFY_PRODUCTS,
}


@pytest.fixture
def shopify(export):
    return export("shopify", SHOPIFY)


def test_shopify_orders_are_whole_though_their_cells_stand_on_the_first_line(shopify):
    fates = Counter()
    for row in shopify.rows("ledger"):
        fates[row["table"], row["fate"], row["reason"]] += row["n_rows"]
    assert fates == {
        ("order_lines", "used", None): 4, ("order_lines", "excluded", "never paid"): 2, ("order_lines", "excluded", "cancelled"): 1,
        ("customers", "used", None): 2, ("customers", "excluded", "no e-mail address"): 1,
        ("products", "used", None): 3, ("products", "excluded", "a further picture or a product without SKU"): 1,
    }  # fmt: skip
    found = {
        (row["order_id"], row["is_order"]): (row["customer_id"], row["ordered_at"], row["n_lines"], row["net_amount"])
        for row in shopify.rows("orders")
    }
    evening = datetime.fromisoformat("2024-01-04 21:11:12")
    assert found == {
        # 2 x 16.00 + 20.00 less 5.00, at 10:11 in Shanghai; 20.00 went back.
        ("#1001", True): ("ada@example.com", evening, 2, Decimal("47.00")),
        ("#1001", False): ("ada@example.com", evening, 1, Decimal("-20.00")),
        ("#1002", True): ("bo@example.com", datetime.fromisoformat("2024-01-31 23:30:00"), 1, Decimal("25.00")),
        # Bought with a gift card for all of it: no customer, no money.
        ("#1005", False): (None, datetime.fromisoformat("2024-02-03 09:00:00"), 1, Decimal("0.00")),
    }


def test_shopify_lines_share_the_discount_and_know_their_country_and_channel(shopify):
    lines = {row["product_id"]: row for row in shopify.rows("order_lines") if row["order_id"] == "#1001"}
    assert {name: row["line_amount"] for name, row in lines.items()} == {
        "FERN-1": Decimal("28.92"), "TOTE-1": Decimal("18.08"), None: Decimal("-20.00"),
    }  # fmt: skip
    assert {(row["region"], row["channel"]) for row in lines.values()} == {("US", "web")}


def test_shopify_customers_and_products(shopify):
    assert [(row["customer_id"], row["country"], row["city"]) for row in shopify.rows("customers")] == [
        ("ada@example.com", "US", "Testville"),
        ("bo@example.com", "CA", None),
    ]
    assert [tuple(row.values()) for row in sorted(shopify.rows("products"), key=lambda row: row["product_id"])] == [
        ("FERN-1", "Fern Print", Decimal("16.00"), Decimal("4.10"), "Print", "Leaf", "A4"),
        ("FERN-2", "Fern Print", Decimal("24.00"), Decimal("5.00"), "Print", "Leaf", "A3"),
        ("MUG-1", "Mug", Decimal("25.00"), None, "Kitchen", "Clay", "Default Title"),
    ]


def test_a_column_that_a_template_needs_and_an_export_lacks_is_named(export, refused):
    with refused(InputError, "E-HDR-2") as caught:
        export("shopify", {**SHOPIFY, "orders_export_1.csv": SHOPIFY_ORDERS.replace("Lineitem price", "Price")})
    assert (caught.value.file, caught.value.column) == ("orders_export_1.csv", "Lineitem price")


# --- HubSpot ---------------------------------------------------------------------------------------------------------

HUBSPOT = {
    "hubspot-crm-exports-all-companies-2024-06-01.csv": (
        "\ufeffRecord ID,Company name,Company owner,Create Date,Phone Number,Country/Region,Industry,Lifecycle Stage\n"
        '9001,"Bluebay, ""Ltd""",Sam Sales,2023-11-02 08:15,+44 20 5550100,United Kingdom,COMPUTER_SOFTWARE,Customer\n'
        "9002,Harbour GmbH,,2024-01-31 23:59,,,,Lead\n"
    ),
    "hubspot-crm-exports-all-deals-2024-06-01.csv": (
        "\ufeffRecord ID,Deal Name,Deal Stage,Amount,Deal owner,Create Date,Close Date,Pipeline,Is Closed Won,Is closed lost,"
        "Associated Company,Associated Company IDs (Primary),Associated Note\n"
        '7001,Bluebay – new,Closed Won,15000.5,Sam Sales,2024-02-01 09:00,2024-03-01 12:30,Sales,true,false,"Bluebay, ""Ltd""",9001,'
        '"Called.\nThey like it; ""really"""\n'
        "7002,Harbour,Contract Sent,,Sam Sales,2024-02-03 09:00,2024-07-31 12:30,Sales,false,false,Harbour GmbH,9002,\n"
        "7003,Nobody,Closed Lost,200,,2024-02-04 09:00,2024-02-05 10:00,Sales,,true,,,\n"
    ),
    "hubspot-crm-exports-all-tickets-2024-06-01.csv": (
        "Ticket ID,Ticket name,Pipeline,Ticket status,Create date,Close date,Priority,Ticket owner,Source,Associated Company IDs (Primary)\n"
        "501,Broken,Support,Closed,2024-03-01 23:30,2024-03-02 00:10,HIGH,Ann Agent,EMAIL,9001\n"
        "502,Question,Support,New,2024-03-02 08:00,,LOW,,CHAT,9002\n"
    ),
}


def test_hubspot(export):
    source = export("hubspot", HUBSPOT)
    assert [
        (row["customer_id"], row["signed_up_date"], row["country"], row["source"]) for row in source.rows("customers")
    ] == [
        ("9001", date(2023, 11, 2), "United Kingdom", None),
        ("9002", date(2024, 1, 31), None, None),
    ]
    deals = {row["opportunity_id"]: row for row in source.rows("opportunities")}
    assert {name: (row["is_won"], row["is_lost"], row["customer_id"]) for name, row in deals.items()} == {
        "7001": (True, False, "9001"), "7002": (False, False, "9002"), "7003": (False, True, None),
    }  # fmt: skip
    assert (deals["7001"]["opportunity_amount"], deals["7001"]["closed_date"]) == (
        Decimal("15000.50"),
        date(2024, 3, 1),
    )
    assert deals["7002"]["opportunity_amount"] is None
    tickets = [
        (row["interaction_id"], row["opened_at"], row["resolved_at"], row["channel"], row["topic"])
        for row in source.rows("interactions")
    ]
    assert tickets == [
        ("501", datetime.fromisoformat("2024-03-01 23:30"), datetime.fromisoformat("2024-03-02 00:10"), "EMAIL", None),
        ("502", datetime.fromisoformat("2024-03-02 08:00"), None, "CHAT", None),
    ]


def test_a_hubspot_export_in_another_language_is_refused_by_its_columns(export, refused):
    deals = HUBSPOT["hubspot-crm-exports-all-deals-2024-06-01.csv"].replace("Deal Stage", "取引ステージ")
    with refused(InputError, "E-HDR-2") as caught:
        export("hubspot", {**HUBSPOT, "hubspot-crm-exports-all-deals-2024-06-01.csv": deals})
    assert caught.value.column == "Deal Stage"


# --- Salesforce ------------------------------------------------------------------------------------------------------

SALESFORCE = {
    "Account.csv": (
        '"ID","CREATEDDATE","NAME","INDUSTRY","TYPE","BILLINGCOUNTRY","RATING"\n'
        '"001A0000006Vm9rIAC","2024-02-01T03:30:00.000Z","Acme, ""Inc""","--None--","Customer","US","Hot"\n'
        '"001A0000006Vm9RIAC","2023-05-01T12:00:00.000Z","Globex\n(Europe)","Energy","","",""\n'
    ),
    "Opportunity.csv": (
        '"Id","AccountId","Name","StageName","IsWon","IsClosed","CreatedDate","CloseDate","Amount","OwnerId"\n'
        '"006A1","001A0000006Vm9rIAC","A","Closed Won","true","true","2024-01-31T23:30:00.000Z","2024-03-05","12500.0","005A1"\n'
        '"006A2","001A0000006Vm9rIAC","B","Closed Lost","false","true","2024-02-01T03:30:00.000+0000","2024-03-06","1.0E2","005A1"\n'
        '"006A3","","C","Prospecting","false","false","2024-02-02T10:00:00.000Z","2024-12-31","","005A2"\n'
    ),
    "Case.csv": (
        '"Id","AccountId","CreatedDate","ClosedDate","Origin","Reason","OwnerId"\n'
        '"500A1","001A0000006Vm9rIAC","2024-03-10T06:30:00.000Z","2024-03-10T07:30:00.000Z","Web","--None--","005A1"\n'
    ),
    "Campaign.csv": (
        '"Id","Name","Type","StartDate","EndDate","ActualCost"\n"701A1","Spring","Email","2024-03-01","2024-03-31","1500.25"\n'
    ),
    "CampaignMember.csv": (
        '"CampaignId","Contact.AccountId","CreatedDate","Status","HasResponded"\n'
        '"701A1","001A0000006Vm9rIAC","2024-03-01T09:00:00.000Z","Responded","true"\n'
        '"701A1","001A0000006Vm9RIAC","2024-03-01T09:00:00.000Z","Sent","false"\n'
    ),
    "Contract.csv": (
        '"Id","AccountId","StartDate","EndDate","Status"\n'
        '"800A1","001A0000006Vm9rIAC","2023-01-01","2023-12-31","Activated"\n'
        '"800A2","001A0000006Vm9RIAC","2024-01-01","","Draft"\n'
    ),
}  # fmt: skip


def test_salesforce(export):
    files = {**SALESFORCE, "Opportunity.csv": SALESFORCE["Opportunity.csv"].replace("1.0E2", "100.0")}
    source = export("salesforce", files)
    # Ids that differ by case alone are different accounts; 3:30 in London is the evening before in New York.
    assert {row["customer_id"]: (row["signed_up_date"], row["industry"]) for row in source.rows("customers")} == {
        "001A0000006Vm9rIAC": (date(2024, 1, 31), None),
        "001A0000006Vm9RIAC": (date(2023, 5, 1), "Energy"),
    }
    deals = {row["opportunity_id"]: row for row in source.rows("opportunities")}
    assert {name: (row["is_won"], row["is_lost"], str(row["opened_date"])) for name, row in deals.items()} == {
        "006A1": (True, False, "2024-01-31"), "006A2": (False, True, "2024-01-31"), "006A3": (False, False, "2024-02-02"),
    }  # fmt: skip
    assert [str(deals[one]["closed_date"]) for one in ("006A1", "006A2")] == ["2024-03-05", "2024-03-06"]
    assert [deals[one]["opportunity_amount"] for one in sorted(deals)] == [Decimal(12500), Decimal(100), None]
    (case,) = source.rows("interactions")
    # The clocks go forward at two that night.
    assert (case["opened_at"].hour, case["resolved_at"].hour, case["topic"]) == (1, 3, None)
    assert source.rows("campaigns")[0]["cost_amount"] == Decimal("1500.25")
    assert [(row["customer_id"], row["arm"], row["is_responded"]) for row in source.rows("campaign_contacts")] == [
        ("001A0000006Vm9rIAC", "701A1", True), ("001A0000006Vm9RIAC", "701A1", False),
    ]  # fmt: skip
    assert [(row["contract_id"], row["ended_date"]) for row in source.rows("contracts")] == [
        ("800A1", date(2023, 12, 31))
    ]
    assert source.fates()["excluded", "not signed"] == 1


def test_salesforce_data_export_needs_another_format_only(export):
    files = {"Opportunity.csv": (
        '"Id","AccountId","StageName","IsWon","IsClosed","CreatedDate","CloseDate","Amount"\n'
        '"006A1","001A1","Closed Won","1","1","2024-01-31 23:30:00","2024-03-05","12500"\n'
    )}  # fmt: skip
    source = export("salesforce", files, ("%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S"), only=("opportunities",))
    (deal,) = source.rows("opportunities")
    assert (deal["is_won"], deal["is_lost"], deal["opened_date"], deal["salesperson"]) == (
        True,
        False,
        date(2024, 1, 31),
        None,
    )


# --- Zoho ------------------------------------------------------------------------------------------------------------

ZOHO = {
    "Accounts_2024_06_01.csv": (
        "Record Id,Account Owner.id,Account Owner,Account Name,Industry,Account Type,Billing Country,Created Time\n"
        "zcrm_4876876000000123001,zcrm_1,Ann,Acme,-None-,Customer,India,2024-01-31 23:59:59\n"
    ),
    "Deals_2024_06_01.csv": (
        "Record Id,Deal Owner,Amount,Deal Name,Closing Date,Account Name.id,Account Name,Stage,Created Time\n"
        'zcrm_4876876000000200001,Ann,"1234.5",New,2024-05-31,zcrm_4876876000000123001,Acme,Closed Won,2024-02-29 10:00:00\n'
        "zcrm_4876876000000200002,Ann,,Old,2024-05-31,,,Negotiation/Review,2024-03-01 10:00:00\n"
    ),
    "Invoices_2024_06_01.csv": (
        "Record Id,Subject,Invoice Date,Due Date,Status,Account Name.id,Account Name,Grand Total\n"
        'zcrm_4876876000000300001,"May,\nfirst half",2024-05-15,2024-06-14,Delivered,zcrm_4876876000000123001,Acme,118.00\n'
        "zcrm_4876876000000300002,June,2024-06-15,2024-07-14,Cancelled,zcrm_4876876000000123001,Acme,10.00\n"
    ),
    "Cases_2024_06_01.csv": (
        "Record Id,Case Owner,Case Origin,Case Reason,Status,Account Name.id,Created Time\n"
        "zcrm_4876876000000400001,Ann,Phone,-None-,Closed,zcrm_4876876000000123001,2024-04-01 08:00:00\n"
    ),
}


@pytest.mark.parametrize("is_american", [False, True])
def test_zoho(export, is_american):
    files, changes = ZOHO, ()
    if is_american:
        files = {
            name: re.sub(
                r"(\d{4})-(\d\d)-(\d\d)(?! *\d)",
                r"\2/\3/\1",
                re.sub(r"(\d{4})-(\d\d)-(\d\d) (\d\d:\d\d:\d\d)", r"\2/\3/\1 \4", text),
            )
            for name, text in ZOHO.items()
        }
        changes = (("%Y-%m-%d", "%m/%d/%Y"),)
    source = export("zoho", files, *changes)
    assert [tuple(row.values())[:3] for row in source.rows("customers")] == [
        ("zcrm_4876876000000123001", date(2024, 1, 31), None)
    ]
    won, still_open = sorted(source.rows("opportunities"), key=lambda row: row["opportunity_id"])
    names = ("customer_id", "is_won", "is_lost", "opened_date", "opportunity_amount")
    assert [[one[name] for name in names] for one in (won, still_open)] == [
        ["zcrm_4876876000000123001", True, False, date(2024, 2, 29), Decimal("1234.50")],
        [None, False, False, date(2024, 3, 1), None],
    ]
    assert won["closed_date"] == date(2024, 5, 31)
    (invoice,) = source.rows("payments")
    assert (invoice["invoiced_date"], invoice["due_date"], invoice["invoice_amount"], invoice["order_id"]) == (
        date(2024, 5, 15), date(2024, 6, 14), Decimal(118), None,
    )  # fmt: skip
    assert [(row["channel"], row["topic"]) for row in source.rows("interactions")] == [("Phone", None)]


def test_a_stage_of_ones_own_is_named(export, refused):
    files = {"Deals_2024_06_01.csv": ZOHO["Deals_2024_06_01.csv"].replace("Negotiation/Review", "Haggling")}
    with refused(InputError, "E-FLAG-1") as caught:
        export("zoho", files, only=("opportunities",))
    assert caught.value.column == "is_won"
