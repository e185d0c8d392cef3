"""Tables larger than memory: a first pass collects statistics, a second pass encodes the rows into a disk cache.

`sources` opens a table as `Blocks`; `survey.look_over` collects its `TableStatistics`; `Survey.divided` holds out
rows; `survey.encode_rows` writes a `RowCache`, from which training reads batches in random order. `memory` estimates
the memory needed.
"""

__all__: list[str] = []
