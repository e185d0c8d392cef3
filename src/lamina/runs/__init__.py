"""Training on a table, from its files to a run's folder; the command line calls these functions.

`data.prepare` reads the table. `training.train` trains a network, or `search.search` many networks. `run.complete`
evaluates the result with `evaluation`, and writes it and a `report`. Later, `run_folder.open_run` opens the run.
"""

__all__: list[str] = []
