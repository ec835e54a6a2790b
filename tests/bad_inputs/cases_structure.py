"""Rows and columns that are not where they should be."""

from catalogue import Case, orders

CASES = [
    Case(
        id="A23",
        what="a name that stands twice in the header",
        files={"orders.csv": "order,customer,day,pieces,price,price\nA,c,2024-05-01,1,1.00,2.00\n"},
        exit_code=3,
        code="E-HDR-1",
        column="price",
        rows="1",
    ),
    Case(
        id="A39",
        what="blank rows in the middle are counted and put aside",
        files=orders("A1,c1,2024-05-01,1,1.00", "", ",,,,", "A2,c1,2024-05-02,1,1.00"),
        ledger={("used", None): 2, ("blank", None): 2},
    ),
]
