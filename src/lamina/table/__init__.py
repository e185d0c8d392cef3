"""Tables: reading and writing files, inferring the types of columns, and encoding for a network.

Import the submodule you need. A table passes through these functions in order:

`read.read` → `kinds.infer` → `encode.TableEncoder` → (a network) → `write.write_batches`.

* Files: `read` and `write` tables; `source` finds files, `formats` has a module per format, `places` records each
  row's line.
* Columns: `tables` and `columns` are a common interface to tables of any library; `kinds` and `target` infer types,
  `schema` stores them, and `check` converts a new table to fit the schema.
* Network inputs: `encode` encodes tables, and `split` divides rows. `messages` has the common wording of messages.
"""

from typing import Literal, get_args

__all__ = ["TASKS", "Task"]

Task = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = get_args(Task)
"""The names of the tasks; defined here, since the command line's help needs nothing else from the package."""
