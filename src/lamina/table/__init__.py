"""Tables: reading and writing them, finding out what their columns are, and encoding them for a network.

Import the submodule you need; the route of a table through the package is

`read.read` → `kinds.infer` → `encode.TableEncoder` → (a network) → `write.write_batches`.

* Files: `read`, `write`; `source` finds them, `formats` has a module for each format, `places` knows rows' lines.
* Columns: `tables` and `columns` are one view of any library's tables; `kinds` and `target` judge the columns, `schema`
  is what they found, to which `check` fits a new table.
* Numbers: `encode` with `scale` and `sparse`; `split` divides rows. `messages` is how all of these speak.
"""

from typing import Literal, get_args

__all__ = ["TASKS", "Task"]

Task = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = get_args(Task)
"""What a table's target asks for; here, since the command line's help needs nothing else of the package."""
