"""Limits on sizes in a file's header, which may be false."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from lamina.errors import DataError, LaminaError

MOST_COLUMNS = 1 << 18
"""The limit for tables. Each column costs some KB in every step, even for few rows."""

MOST_PIXEL_COLUMNS = 1 << 16
"""The limit for images, whose header can state any size. Each column takes some 3.5 KB while the table is built."""

MOST_TEXT_COLUMNS = 1 << 16
"""The limit for CSV and similar files, where type inference takes some 17 KB per column."""

LONGEST_RECORD = 1 << 26
"""The longest line, or record with quoted line feeds, in bytes; a file with a longer line is considered damaged."""

_RATIO = 256
_ALWAYS = 1 << 26

FAR_MORE = (
    f"it unpacks to more than {_RATIO} times its size, as files that are made to exhaust memory do; if it can be "
    "trusted, store it unpacked"
)
"""The message for a file beyond `unpacked_limit`."""


def unpacked_limit(packed: int) -> int:
    """The maximum size to which `packed` bytes may be unpacked.

    Useful tables and images compress at best to 1/100 of their size. For malicious content, gzip can reach 1/1000 and
    zstd 1/10,000.

    >>> unpacked_limit(1_000_000)
    323108864
    """
    return _RATIO * packed + _ALWAYS


def require_columns(name: str, count: int, most: int = MOST_COLUMNS) -> None:
    """Raise `DataError` if the number `count` of a table's columns exceeds `most`; messages call the table `name`.

    >>> require_columns("big.png", 27_000_000)
    Traceback (most recent call last):
    ...
    lamina.errors.DataError: big.png would give a table of 27,000,000 columns; at most 262,144 are read
    """
    if count > most:
        raise DataError(f"{name} would give a table of {count:,} columns; at most {most:,} are read")


@contextmanager
def untrusted(what: str) -> Generator[None]:
    """A context for decoding an untrusted file, which converts any error of a library to a one-line `DataError`.

    No list of error classes would be complete: for damaged bytes decoders raise zlib.error, struct.error, SyntaxError,
    KeyError, RecursionError, or a panic of Rust. Errors of lamina and of the file system are not converted.

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
        panic = type(error).__name__ == "PanicException"  # of polars, not a subclass of Exception
        of_the_system = isinstance(error, OSError) and error.filename is not None
        if of_the_system or not (panic or isinstance(error, Exception)):
            raise
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(f"{what}: {reason[:500]}") from error


def in_words(size: float) -> str:
    """A size in bytes as text, with units of 1024.

    >>> in_words(1536 << 20), in_words(300 << 20)
    ('1.5 GiB', '300 MiB')
    """
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MiB"
