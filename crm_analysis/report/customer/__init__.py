"""One customer on one page: everything known by a month's end, and the place in every report of the month.

``finding``  who is meant, and the source's tables with nobody else in them
``figures``  key figures, months, what is bought
``events``   what happened, the latest first
``places``   what the published reports say
``making``   the page and its files, for their owner only
"""
