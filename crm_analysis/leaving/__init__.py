"""Customers who leave: what was known of them, how a forecast learns from it, and whom to contact.

``histories``  orders to what is known of each customer's buying on a day, and what came after
``outcomes``   a yes-or-no outcome learned, judged, and explained for each customer
``drivers``    which features make one driver, and how it is told in a customer's own numbers
``losses``     who was lost in which month and at which stage
``endings``    how long contracts last, and why they end
``contacts``   whom it pays to contact, and with what
"""
