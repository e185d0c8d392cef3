"""Reading of a table for inspection, in bounded memory."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from lamina.support.lazily import pl
from lamina.table.options import ReadOptions
from lamina.table.places import Places
from lamina.table.read import Where, iter_batches
from lamina.table.stream.sample import RowSample, row_bytes

_MOST_BYTES = 512 << 20
"""Memory limit for the rows kept."""

_FEWEST_ROWS = 10_000


def read_sample(
    source: Where, options: ReadOptions | None = None, places: Places | None = None
) -> tuple[pl.DataFrame, np.ndarray, int]:
    """The rows of a table, or a random sample if all rows would take more than `_MOST_BYTES` bytes.

    Args:
        source, options, places: the arguments of `lamina.table.read.read`.

    Returns:
        The rows in table order, their row numbers (int64), and the table's number of rows.

    Raises:
        DataError: the files are invalid, as in `lamina.table.read.read`.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "numbers.csv")
    >>> _ = file.write_text("x\\n1\\n2\\n3\\n")
    >>> frame, numbers, rows = read_sample(file)
    >>> frame["x"].to_list(), numbers.tolist(), rows
    ([1, 2, 3], [0, 1, 2], 3)
    """
    sample: RowSample | None = None
    rows = 0
    with closing(iter_batches(source, options=options, places=places)) as batches:
        for batch in batches:
            if sample is None:
                sample = RowSample(max(_FEWEST_ROWS, _MOST_BYTES // max(row_bytes(batch.schema), 1)), seed=0)
            sample.update(batch, rows)
            rows += len(batch)
    assert sample is not None
    frame, numbers, _ = sample.rows()
    order = np.argsort(numbers)
    return frame[order], numbers[order], rows
