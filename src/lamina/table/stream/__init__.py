"""Tables larger than memory: surveyed in one pass, encoded into a disk cache in another, read in random order.

The steps: `sources` opens a table as `Blocks`; `survey.look_over` collects its `TableStatistics`; `Survey.divided`
holds out rows; `survey.encode_rows` writes a `RowCache`, from which training reads batches. `memory` estimates the
memory needed.
"""

__all__: list[str] = []
