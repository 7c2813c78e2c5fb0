"""Where an audit lies in the folder of its evaluation. Reading these names wakes no library."""

FOLDER = "audit"
"""Folder of the audit's own predictions."""
FILE = "audit.json"
"""Rows and figures of the audit, beside summary.json."""
