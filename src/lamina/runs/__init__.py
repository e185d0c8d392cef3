"""Training on a table, from files to a run folder: the command line's work, as functions.

`data.prepare` → `training.train`, or `search.search` for many networks → `run.complete`, which uses `evaluation` and
`report`. Later, `run_folder.open_run` opens the run.
"""

__all__: list[str] = []
