"""The place of each row of a table: the file, and the line in a text file."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import AbstractContextManager

import numpy as np

from lamina.table.messages import rows_called


class LineNumbers:
    """The line numbers, from 1, of a text file's records.

    Memory is needed only for a record that begins more than one line after the previous record's first line.

    >>> lines = LineNumbers()
    >>> lines.add(np.array([2, 3, 4]))
    >>> lines.add(np.array([7, 8]))
    >>> [lines[row] for row in range(5)]
    [2, 3, 4, 7, 8]
    """

    def __init__(self) -> None:
        self._count = 0
        self._next = 0
        self._rows: list[np.ndarray] = []
        self._lines: list[np.ndarray] = []

    def add(self, lines: np.ndarray) -> None:
        """Add the line numbers of the next records."""
        if not len(lines):
            return
        jumps = np.flatnonzero(np.diff(lines, prepend=self._next - 1) != 1)
        if len(jumps):
            self._rows.append(self._count + jumps)
            self._lines.append(lines[jumps])
        self._count += len(lines)
        self._next = int(lines[-1]) + 1

    def __getitem__(self, row: int) -> int:
        part = bisect_right(self._rows, row, key=lambda rows: int(rows[0])) - 1
        jump = int(np.searchsorted(self._rows[part], row, side="right")) - 1
        return int(self._lines[part][jump] + row - self._rows[part][jump])


class Places:
    """The place of each row of a table, recorded while the table is read.

    >>> places = Places()
    >>> places.begin("a.parquet", None)
    >>> places.rows += 10
    >>> places.of(3)
    'row 3 (counting from 0)'
    >>> lines = LineNumbers()
    >>> lines.add(np.array([2, 3, 5]))
    >>> places.begin("b.csv", lines)
    >>> places.of(3), places.of(12)
    ('row 3 (counting from 0) of a.parquet', 'line 5 of b.csv')
    """

    def __init__(self) -> None:
        self.rows = 0
        self._kept: LineNumbers | None = None
        self._starts: list[int] = []
        self._files: list[tuple[str, LineNumbers | None]] = []

    def begin(self, name: str, lines: LineNumbers | None) -> None:
        """Record that the following rows are in the file `name`."""
        self._starts.append(self.rows)
        self._files.append((name, lines))

    def keep(self, rows: np.ndarray) -> None:
        """Record that of the rows read so far, the table has these; rows are then counted without the others."""
        self._kept = self._kept or LineNumbers()
        self._kept.add(rows + 1)

    @property
    def single(self) -> bool:
        """Whether all rows are in the same file."""
        return len(self._files) == 1

    def within(self, row: int) -> tuple[str, str, int]:
        """The place of a row: the file's name, "line" or "row", and its number.

        Lines are counted from 1, rows from 0.
        """
        return self._within(row if self._kept is None else self._kept[row] - 1)

    def _within(self, row: int) -> tuple[str, str, int]:
        file = bisect_right(self._starts, row) - 1
        name, lines = self._files[file]
        row -= self._starts[file]
        return (name, "row", row) if lines is None else (name, "line", lines[row])

    def of(self, row: int) -> str:
        """The place of a row as text."""
        return self._said(*self.within(row))

    def of_read(self, row: int) -> str:
        """The place of a row as text; `row` also counts rows that are not kept."""
        return self._said(*self._within(row))

    def _said(self, name: str, unit: str, number: int) -> str:
        place = f"line {number}" if unit == "line" else f"row {number} (counting from 0)"
        return place if self.single and unit == "row" else f"{place} of {name}"

    def named(self) -> AbstractContextManager[None]:
        """A context in which messages name rows by their places."""
        return rows_called(self.of)
