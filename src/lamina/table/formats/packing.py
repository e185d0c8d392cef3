"""Compression of whole files by gzip, zstd, bzip2 and xz."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from lamina.support.extras import missing_packages

Target = Path | IO[bytes]
Mode = Literal["rb", "wb"]


def _open_gzip(target: Target, mode: Mode) -> Any:
    import gzip

    return gzip.open(target, mode, compresslevel=6)


def _open_bzip2(target: Target, mode: Mode) -> Any:
    import bz2

    return bz2.open(target, mode)


@contextmanager
def _open_xz(target: Target, mode: Mode) -> Generator[IO[bytes]]:
    import lzma

    try:
        with lzma.open(target, mode) as file:
            yield cast(IO[bytes], file)
    except lzma.LZMAError as error:
        raise OSError(str(error)) from error


@contextmanager
def open_zstd(target: Target, mode: Mode) -> Generator[IO[bytes]]:
    """Open a zstd file, which is decompressed during reading or compressed during writing.

    Python 3.14 and later support zstd; earlier versions need `backports.zstd` or pyarrow.
    """
    for module in ("compression.zstd", "backports.zstd"):
        try:
            zstd = __import__(module, fromlist=["open"])
        except ImportError:
            continue
        try:
            with zstd.open(target, mode) as file:
                yield file
        except zstd.ZstdError as error:
            raise OSError(str(error)) from error
        return
    try:
        import pyarrow
    except ImportError as error:
        raise missing_packages("a .zst file", ["backports.zstd"]) from error
    opened: Any = pyarrow.input_stream if mode == "rb" else pyarrow.output_stream
    # pyarrow closes the file it gets, so an open file is passed as a duplicate handle.
    packed = str(target) if isinstance(target, Path) else os.fdopen(os.dup(target.fileno()), mode)
    with opened(packed, compression="zstd") as file:
        yield file


@dataclass(frozen=True, kw_only=True)
class Packing:
    """A compression format: its suffix, possible first bytes, and open function."""

    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...]
    open: Callable[[Target, Mode], AbstractContextManager[IO[bytes]]]


PACKINGS: dict[str, Packing] = {
    "gz": Packing(suffixes=(".gz",), magic=(b"\x1f\x8b",), open=_open_gzip),
    "zst": Packing(suffixes=(".zst", ".zstd"), magic=(b"\x28\xb5\x2f\xfd",), open=open_zstd),
    "bz2": Packing(
        suffixes=(".bz2",), magic=tuple(b"BZh%d1AY&SY" % i for i in range(1, 10)), open=_open_bzip2
    ),
    "xz": Packing(suffixes=(".xz",), magic=(b"\xfd7zXZ\x00",), open=_open_xz),
}


def open_packed(target: Target, mode: Mode, packing: str) -> AbstractContextManager[IO[bytes]]:
    """Open a stream that decompresses a file, or compresses to it.

    `packing` is a key of `PACKINGS`, or "" for no compression.
    """
    if packing:
        return PACKINGS[packing].open(target, mode)
    return target.open(mode) if isinstance(target, Path) else nullcontext(target)
