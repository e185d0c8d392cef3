"""Findings for `lamina.table.inspection`: leakage, duplicates, drift."""
