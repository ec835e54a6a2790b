"""What customers like: shares of spend by the attributes of products, drawn towards those of all where little is known.

``lines``        order lines summed once, by customer, product and month
``attributes``   which attributes the products have, and which of them lead
``sales``        sales by these, as all the others need them
``trends``       what sells, and whose share rises by more than chance
``preferences``  who prefers what, and groups of customers who like the same
``pairs``        what goes with what
``sequences``    what comes next, and whether it can be guessed
``offers``       what to offer, and to whom
"""
