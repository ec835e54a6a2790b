"""Records of payments, deals and campaigns that repeat or contradict themselves."""

import narwhals as nw
from catalogue import Case

PAYMENTS = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  payments:
    files: invoices.csv
    format: {date: "%Y-%m-%d"}
    columns:
      {invoice_id: no, customer_id: who, invoiced_date: day, due_date: due, paid_date: paid, invoice_amount: amount}
"""
CONTACTS = """
company: Test
currency: EUR
time_zone: Europe/Berlin
covers_until: 2024-05-31
tables:
  campaign_contacts:
    files: contacts.csv
    columns: {campaign_id: {value: spring}, customer_id: who, arm: arm}
"""
DEALS = """
company: Test
currency: EUR
time_zone: Europe/Berlin
tables:
  opportunities:
    files: deals.csv
    format: {date: "%Y-%m-%d"}
    columns:
      opportunity_id: no
      stage: stage
      is_won: {column: stage, yes: [Won], no: rest}
      is_lost: {column: stage, yes: [Lost], no: rest}
      opened_date: day
      closed_date: closed
"""


def invoices(*lines: str) -> dict[str, str]:
    good = [f"G{number},g,2024-05-01,2024-05-31,,10.00" for number in range(200)]
    return {"invoices.csv": "\n".join(["no,who,day,due,paid,amount", *lines, *good, ""])}


def holds(table: str, column: str, *values: object):
    """That these values, and no others beside those of good lines, are in a column; None is one of them."""

    def check(source) -> None:
        found = [row[column] for row in source.rows(table) if not str(row.get("invoice_id")).startswith("G")]
        assert sorted(map(str, found)) == sorted(map(str, values)), found

    return check


def reaches(source, day: str) -> None:
    assert source.meta.last_date == day


CASES = [
    Case(
        id="A49",
        what="leading zeros of an invoice number are part of it",
        contract=PAYMENTS,
        files=invoices("007,c,2024-05-01,2024-05-31,,10.00", "7,c,2024-05-01,2024-05-31,,10.00"),
        check=holds("payments", "invoice_id", "007", "7"),
    ),
    Case(
        id="A52",
        what="an invoice without a customer keeps its money",
        contract=PAYMENTS,
        files=invoices("A,NULL,2024-05-01,2024-05-31,,10.00", "B,,2024-05-01,2024-05-31,,10.00"),
        check=holds("payments", "customer_id", None, None),
    ),
    Case(
        id="A56",
        what="a negative invoice is a credit note, and told",
        contract=PAYMENTS,
        files=invoices("A,c,2024-05-01,2024-05-31,,-10.00"),
        warnings={("E-PAY-2", "invoice_amount"): 1},
        check=holds("payments", "invoice_amount", "-10.00"),
        handler="crm_analysis.cleaning.rules:check_consistency",
        without=lambda rows, name: rows,
    ),
    Case(
        id="A74",
        what="the day on which an open deal is hoped to close is no closing day, and does not stretch the source",
        contract=DEALS,
        files={"deals.csv": "no,stage,day,closed\nA,Offer,2024-05-01,2031-01-01\nB,Won,2024-05-01,2024-05-31\n"},
        warnings={("E-DEAL-2", "closed_date"): 1},
        check=lambda source: (
            holds("opportunities", "closed_date", None, "2024-05-31")(source) or reaches(source, "2024-05-31")
        ),
        handler="crm_analysis.cleaning.rules:check_consistency",
        without=lambda rows, name: rows,
    ),
    Case(
        id="A78",
        what="equal rows of contacted people without an id are all kept",
        contract=CONTACTS,
        files={"contacts.csv": "who,arm\n,a\n,a\n,a\nc,a\nc,a\n"},
        check=holds("campaign_contacts", "customer_id", None, None, None, "c"),
        handler="crm_analysis.cleaning.rules:find_duplicates",
        without=lambda rows, name, table: rows.with_columns(_is_duplicate=nw.lit(False)),
    ),
    Case(
        id="A79",
        what="of an invoice that was exported again the last row is used, and told where it differs",
        contract=PAYMENTS,
        files=invoices("A,c,2024-05-01,2024-05-31,,10.00", "A,c,2024-05-01,2024-05-31,2024-05-20,10.00"),
        warnings={("E-KEY-2", "invoice_id"): 1},
        check=holds("payments", "paid_date", "2024-05-20"),
    ),
]
