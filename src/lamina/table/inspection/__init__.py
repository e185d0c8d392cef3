"""Looks at a table before anything is trained on it: columns, leakage, duplicates, drift of a new table."""

from lamina.table.inspection.look import ColumnFacts, Inspection, inspect
from lamina.table.inspection.results import LEVEL, ColumnDrift, Drift, Finding

__all__ = ["LEVEL", "ColumnDrift", "ColumnFacts", "Drift", "Finding", "Inspection", "inspect"]
