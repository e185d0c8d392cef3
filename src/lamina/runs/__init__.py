"""Training on a table, from files to a run folder: the command line's work, as functions.

`data.prepare` → `training.train`, or `search.search` of many networks → `run.complete`, which uses `evaluation` and
`report`; later `run_folder.open_run`.
"""

__all__: list[str] = []
