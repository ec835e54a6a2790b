"""What the quality of the data is: each module asks one kind of question of the customer database as of a day, and gives a small
frame. What a check says of a month ago is what the same function says as of the earlier day.

``fates`` what became of the rows · ``columns`` filled and readable · ``timeliness`` · ``consistency`` · ``drift`` · ``outliers`` ·
``noticed`` warnings and rejected values, masked · ``duplicates`` of customers · ``scores`` what it comes to by table ·
``effects`` what it does to which report.
"""
