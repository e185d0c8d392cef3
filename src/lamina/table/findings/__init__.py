"""Findings about a table for `lamina.table.inspection`: leakage, duplicates and drift."""
