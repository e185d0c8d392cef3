"""What `lamina.table.inspection` looks for: leakage, duplicates, drift."""
