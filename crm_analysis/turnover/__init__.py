"""What was sold, by whatever the source tells of it, and why it changed.

``sold``     order lines, orders, deals won or invoices as one table, by the dimensions that the source has
``effects``  a change of sales split exactly into what made it
``seasons``  which months and weekdays sell more than others
"""
