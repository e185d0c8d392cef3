"""Tables larger than memory, which are read in two passes, for statistics and for encoding on disk.

`sources` opens a table as `Blocks`; `survey.look_over` collects its `TableStatistics`; `Survey.divided` holds out
rows; `survey.encode_rows` writes a `RowCache`, from which training reads batches in random order. `memory` estimates
the memory needed.
"""
