"""Customer analysis: from the exports of a company's orders to the month's reports and lists of customers to act on.

The way of the data, one room after the other; a room imports only rooms to its left::

    errors < fonts < language < schema < params < spark < engine < sources < inspection < cleaning < warehouse
    < customers < contracts < cohorts < checks < models < leaving < tastes < stages < composition < behaviour < valuation
    < trials < pulse < turnover < receivables < charts < methods < report

``fonts``      the typefaces that reports bring along
``language``   words, numbers, dates and money as the reader expects them
``sources``    files as text, exactly as written, with file and line
``inspection`` files that nobody has described: the draft of a contract, with the evidence
``engine``     what runs the tables: DuckDB, or Spark (``spark``)
``cleaning``   text to typed tables; one named rule per function; every row has one fate
``warehouse``  the customer database of a source: Parquet tables and their ledger
``customers``  orders to one row per customer as of a day
``contracts``  contracts to one row per customer as of a day
``cohorts``    customers by the time of their first order
``checks``     the quality of the data: filled, readable, unique, in time, without contradiction
``models``     the mathematics, with the papers' symbols
``leaving``    who leaves, why, and whom to contact: learned from orders or contracts
``tastes``     what customers like: learned from the attributes of what they buy
``stages``     where in their life with the company customers stand, month by month
``composition`` customers in parts by their attributes, and what changed an amount
``behaviour``  groups of customers by what they do
``valuation``  purchases to the value of each customer
``trials``     forecasts of orders tried on months that they have not seen
``pulse``      the company's key figures month by month
``turnover``   what was sold, by whom, where and when, and why it changed
``receivables`` invoices to how each customer pays
``methods``    one analytical method each: lazy tables in, small frames out
``charts``     frame to Axes
``report``     the notebook's voice; notebooks run, rendered, audited and published
"""
