"""What should identify a customer and does not: no number, no address, or one that many share."""

import re

from catalogue import PERSON, Case

CONTRACT = """
company: Test
currency: EUR
time_zone: Europe/Berlin
country: DE
covers_until: 2024-12-31
tables:
  customers:
    files: customers.csv
    columns: {customer_id: id}
    identity:
      columns: {customer_name: name, email: mail, phone: tel}
"""
HEADER = "id,name,mail,tel\n"
# One person twice, by e-mail; too few customers to learn from, so that E-DUP-6 is always told.
TWICE = "t1,Ute Weiß,ute@example.com,\nt2,Ute Weiß,ute@example.com,\n"


def merged(*pairs):
    """That these customers, and no others, are taken for one."""

    def check(source):
        found = {(row["customer_id"], row["kept_customer_id"]) for row in source.rows("merges")}
        assert found == set(pairs), found
        for name in ("pairs", "merges", "warnings"):
            assert not any(PERSON["phone"] in str(row) or PERSON["email"] in str(row) for row in source.rows(name))

    return check


def case(what: str, rows: str, warnings: dict, *pairs: tuple[str, str], **more) -> Case:
    told = {("E-DUP-6", None): 1, **warnings, **({("E-DUP-4", None): len(pairs)} if pairs else {})}
    return Case(
        id="A90",
        what=what,
        contract=CONTRACT,
        files={"customers.csv": HEADER + rows},
        warnings=told,
        check=merged(*pairs),
        **more,
    )


CASES = [
    case(
        "a telephone that is no number is told and makes nobody one, though it is the same",
        "a,Jan Koch,,n/a\nb,Jan Koch,,n/a\n" + TWICE,
        {("E-STD-1", "phone"): 2},
        ("t2", "t1"),
        handler="crm_analysis.cleaning.identity:standardise",
        without=lambda rows, kinds, home, keep: rows,
    ),
    case(
        "an e-mail that is no address is told and makes nobody one, though it is the same",
        "a,Jan Koch,none@none,\nb,Jan Koch,none@none,\n" + TWICE,
        {("E-STD-1", "email"): 2},
        ("t2", "t1"),
        handler="crm_analysis.cleaning.standards:_EMAIL",
        without=re.compile(".*"),
    ),
    case(
        "a telephone of more than ten customers is told and is no key, even for those of one name",
        "".join(f"s{number},Jan Koch,,{PERSON['phone']}\n" for number in range(11)) + TWICE,
        {("E-STD-2", "phone"): 11},
        ("t2", "t1"),
        handler="crm_analysis.cleaning.identity:MAX_SHARING",
        without=1000,
    ),
    case(
        "an e-mail of more than ten customers is told and is no key",
        "".join(f"s{number},Jan Koch,{PERSON['email']},\n" for number in range(11)) + TWICE,
        {("E-STD-2", "email"): 11},
        ("t2", "t1"),
    ),
    case(
        "a telephone that two people share makes them no one person",
        f"a,Ute Koch,,{PERSON['phone']}\nb,Jan Koch,,{PERSON['phone']}\n" + TWICE,
        {},
        ("t2", "t1"),
    ),
    case(
        "full-width digits, blanks and capitals are other spellings of the same",
        'a,Ｊａｎ　Koch,JAN@EXAMPLE.COM,０３０　５５５０１９９\nb,"Koch, Jan",jan@example.com,+49 (0)30 5550199\n',
        {},
        ("b", "a"),
        handler="crm_analysis.cleaning.comparing:fold",
        without=lambda text: text,
    ),
    Case(
        id="A90",
        what="a person's decision about a customer who is not there",
        contract=CONTRACT,
        files={
            "customers.csv": HEADER + TWICE,
            "params/merges/shop.csv": "customer_id,other_customer_id,same\nt1,nobody,yes\n",
        },
        exit_code=3,
        code="E-DUP-2",
        file="shop.csv",
        rows="2",
        handler="crm_analysis.cleaning.identity:_refuse_unknown",
        without=lambda *_: None,
    ),
]
