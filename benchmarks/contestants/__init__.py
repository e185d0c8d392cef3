"""The contestants: for each a mapping from a workload's name to a factory of one unit of that work."""
