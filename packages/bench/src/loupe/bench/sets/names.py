"""Where the table of several data sets lies in their folder. Reading these names wakes no library."""

TABLE = "table.json"
"""Figures of every set and look, their means, and the protocol."""
PAGE = "table.html"
"""The same as a page."""
