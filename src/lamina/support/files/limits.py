"""Limits on the sizes that a file claims, before there are bytes that prove them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from lamina.errors import DataError, LaminaError

__all__ = [
    "FAR_MORE",
    "LONGEST_RECORD",
    "MOST_COLUMNS",
    "MOST_PIXEL_COLUMNS",
    "MOST_TEXT_COLUMNS",
    "require_columns",
    "unpacked_limit",
    "untrusted",
]

MOST_COLUMNS = 1 << 18
"""Of a table. Each costs some KB in every step, however few the rows."""

MOST_PIXEL_COLUMNS = 1 << 16
"""Of a picture, which may be a hundred bytes that claim a size; a column takes some 3.5 KB until the table is there."""

MOST_TEXT_COLUMNS = 1 << 16
"""Of a CSV file and its like, where finding out what a column holds takes some 17 KB for each."""

LONGEST_RECORD = 1 << 26
"""Bytes of one line, or of one record with line feeds inside quotes, after which it counts as damaged."""

_RATIO = 256
_ALWAYS = 1 << 26

FAR_MORE = (
    f"it unpacks to more than {_RATIO} times its size, as files that are made to exhaust memory do; if it can be "
    "trusted, store it unpacked"
)
"""What is said of a file beyond `unpacked_limit`."""


def unpacked_limit(packed: int) -> int:
    """The most bytes that `packed` bytes may unpack to.

    Tables and images that are of use shrink to a hundredth at the very best. gzip can reach a thousandth and
    zstd a ten-thousandth, with content made for it.

    >>> unpacked_limit(1_000_000)
    323108864
    """
    return _RATIO * packed + _ALWAYS


def require_columns(name: str, count: int, most: int = MOST_COLUMNS) -> None:
    """Raise if a table would have more columns than are read.

    Raises:
        DataError: it would.

    >>> require_columns("big.png", 27_000_000)
    Traceback (most recent call last):
    ...
    lamina.errors.DataError: big.png would give a table of 27,000,000 columns; at most 262,144 are read
    """
    if count > most:
        raise DataError(f"{name} would give a table of {count:,} columns; at most {most:,} are read")


@contextmanager
def untrusted(what: str) -> Generator[None]:
    """Whatever a library raises at the content of a file in the block is a `DataError` of one line.

    Decoders raise anything at damaged bytes: zlib.error, struct.error, SyntaxError, KeyError, RecursionError, a
    panic in Rust. No list of these would be complete. Errors of lamina pass, and those of the file system.

    >>> with untrusted("a.npz is not a readable .npz file"):
    ...     raise SyntaxError("invalid header")
    Traceback (most recent call last):
    ...
    lamina.errors.DataError: a.npz is not a readable .npz file: invalid header
    """
    try:
        yield
    except LaminaError:
        raise
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"  # polars'; no Exception, so that Rust's users see it
        of_the_system = isinstance(error, OSError) and error.filename is not None
        if of_the_system or not (panic or isinstance(error, Exception)):
            raise
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(f"{what}: {reason[:500]}") from error
