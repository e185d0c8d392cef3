"""Tables: reading and writing them, finding out what their columns are, and encoding them for a network.

Import the submodule you need; the route of a table through the package is

`read.read` → `kinds.infer` → `encode.TableEncoder` → (a network) → `write.write_batches`.
"""

__all__: list[str] = []
