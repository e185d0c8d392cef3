"""The wording of messages in this package: warnings about data, the display of names and numbers, remedies."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Iterable, Sequence, Sized
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from lamina.support import messages
from lamina.support.messages import being, closest, counted, is_on_command_line, on_command_line

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "DataWarning", "as_kind", "as_option", "closest", "counted", "format_number", "is_later_part", "is_on_command_line",
    "listed", "on_command_line", "row", "rows_called", "rows_from", "rows_numbered", "said_once", "shown", "warn",
    "with_results",
]  # fmt: skip

T = TypeVar("T", bound=Sized)
R = TypeVar("R")

_LONGEST_SHOWN = 200
"""Maximum length of values in messages, since a cell may hold megabytes."""

_SAID: ContextVar[set[str] | None] = ContextVar("warnings said", default=None)
_FIRST_ROW: ContextVar[int] = ContextVar("first row", default=0)
_PLACE: ContextVar[Callable[[int], str]] = ContextVar("place", default="row {} (counting from 0)".format)


class DataWarning(UserWarning):
    """A warning about a problem in the data, and about lamina's way of handling the problem.

    Warnings with equal `subjects` are repetitions, e.g. about later parts of the same table.
    """

    def __init__(self, message: str, subjects: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.subjects = frozenset(subjects) or frozenset({message})


def warn(message: str, subjects: Iterable[str] = ()) -> None:
    """Issue a `DataWarning` that points to the user's line of code."""
    said = _SAID.get()
    if said is None or message not in said:
        messages.warn(DataWarning(message, subjects))
    if said is not None:
        said.add(message)


@contextmanager
def said_once() -> Generator[None]:
    """A context that suppresses repeated warnings, also repetitions of those in an outer context.

    Several steps of a call may check the same data.
    """
    said = _SAID.get()
    with being(_SAID, set() if said is None else said):
        yield


def listed(names: Iterable[object], limit: int = 5) -> str:
    """The names in quotes; the end of a long list is replaced by a count.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    texts = [*map(str, names)]
    some = ", ".join(map(shown, texts[:limit]))
    return some if len(texts) <= limit else f"{some} and {len(texts) - limit} more"


def shown(text: str) -> str:
    """A name or value in quotes, shortened if it is long.

    >>> print(shown("la la"), shown("la" * 500_000)[-28:])
    'la la' la' … (1,000,000 characters)
    """
    if len(text) <= _LONGEST_SHOWN:
        return repr(text)
    return f"{text[:_LONGEST_SHOWN]!r} … ({len(text):,} characters)"


def format_number(value: float) -> str:
    """A number in its shortest readable form.

    >>> [format_number(x) for x in (3.0, 0.12345, 1234567.0, -2.5e-7)]
    ['3', '0.1235', '1,234,567', '-2.5e-07']
    """
    if float(value).is_integer() and abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def row(index: int) -> str:
    """The name of a row in messages: its place in the file, if known, or its index.

    >>> row(17)
    'row 17 (counting from 0)'
    """
    return _PLACE.get()(_FIRST_ROW.get() + index)


def rows_called(place: Callable[[int], str]) -> AbstractContextManager[None]:
    """A context in which `row` takes names from `place`, for a table read from files.

    >>> with rows_called(lambda number: f"line {number + 2} of people.csv"):
    ...     row(17)
    'line 19 of people.csv'
    """
    return being(_PLACE, place)


def rows_numbered(numbers: Sequence[int] | np.ndarray) -> AbstractContextManager[None]:
    """A context in which `row(i)` names the row by its number in the whole table, `numbers[i]`.

    >>> with rows_numbered([3, 17]):
    ...     row(1)
    'row 17 (counting from 0)'
    """
    place = _PLACE.get()
    return being(_PLACE, lambda index: place(int(numbers[index])))


def rows_from(start: int) -> AbstractContextManager[None]:
    """A context in which `row` adds `start` to a row's number.

    It is for a part of a table that begins at row `start`.

    >>> with rows_from(1000):
    ...     row(17)
    'row 1017 (counting from 0)'
    """
    return being(_FIRST_ROW, start)


def is_later_part() -> bool:
    """Whether the rows are a part of a table, but not its beginning; see `rows_from`."""
    return _FIRST_ROW.get() > 0


def with_results(batches: Iterable[T], compute: Callable[[T], R]) -> Generator[tuple[T, R]]:
    """Each batch of a table with the result of `compute`; `row` counts from the start of the whole table.

    >>> [result for _, result in with_results([["a", "b"], ["c"]], lambda batch: row(len(batch) - 1))]
    ['row 1 (counting from 0)', 'row 2 (counting from 0)']
    """
    start = 0
    for batch in batches:
        with rows_from(start):
            result = compute(batch)
        yield batch, result
        start += len(batch)


def as_option(name: str, value: str | None) -> str:
    """An option with a value, spelled as in Python or on the command line.

    >>> as_option("encoding", "utf-16-le"), as_option("quote", None)
    ("encoding='utf-16-le'", 'quote=None')
    >>> with on_command_line():
    ...     as_option("encoding", "utf-16-le"), as_option("quote", None)
    ('--encoding utf-16-le', '--quote none')
    """
    if is_on_command_line():
        return f"--{name.replace('_', '-')} {'none' if value is None else shlex.quote(value)}"
    return f"{name}={value!r}"


def as_kind(column: str, kind: str | Iterable[str]) -> str:
    """A column's kind, spelled as in Python or on the command line.

    >>> as_kind("zip code", "categorical")
    "the kind 'categorical'"
    >>> with on_command_line():
    ...     as_kind("zip code", "categorical"), as_kind("id", "drop")
    ("--kind 'zip code=categorical'", '--drop id')
    """
    if not is_on_command_line():
        return f"the kind {kind!r}"
    if not isinstance(kind, str) or kind == "ordered":
        values = "" if isinstance(kind, str) else f"={','.join(kind)}"
        return f"--ordered {shlex.quote(f'{column}{values}')}"
    return f"--drop {shlex.quote(column)}" if kind == "drop" else f"--kind {shlex.quote(f'{column}={kind}')}"
