"""The findings of `lamina.table.inspection`: leakage, duplicates, drift."""
