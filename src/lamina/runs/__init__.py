"""A network on a table from files to a run's folder: what the command line does, as functions.

`data.prepare` → `training.train` → `measure.measure` → `run_folder.write`; later `run_folder.open_run` → `model`.
"""

__all__: list[str] = []
