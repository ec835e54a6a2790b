"""The mathematics, in the symbols of the papers: arrays in, arrays out. Nothing here knows of tables, money or reports."""
