"""Tables larger than memory: surveyed in one pass, encoded into a disk cache in another, read in random order.

The route: a `Blocks` of `sources` → `survey.look_over`, which fills `TableStatistics` → `Survey.divided` →
`survey.encode_rows`, which writes a `RowCache` → (batches of a training). `memory` estimates the memory needed.
"""

__all__: list[str] = []
