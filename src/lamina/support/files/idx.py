"""IDX, the file format of MNIST, with one big-endian array of any shape per file, often gzipped.

A file consists of two zero bytes, a byte for the element type, a byte for the number of dimensions, each dimension as a
big-endian uint32, and the elements in C order (LeCun, Cortes and Burges, "The MNIST database", 1998). The reader does
not trust headers: it never allocates more memory than the file's real content.
"""

import hashlib
import math
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import IO, Any, cast

import numpy as np

from lamina.errors import DataError
from lamina.support.files.foreign import opened
from lamina.support.files.limits import FAR_MORE, unpacked_limit

_NAMES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_ELEMENT_TYPES = {code: np.dtype(name) for code, name in _NAMES.items()}
_KNOWN_TYPES = ", ".join(f"0x{code:02X} {dtype}" for code, dtype in _ELEMENT_TYPES.items())

_GZIP_MAGIC = b"\x1f\x8b"
_MOST_SHOWN = 8  # the number of dimensions in messages, since a damaged header may have 255
_PIECE = 1 << 20  # limit on unpacked bytes besides the array itself
_READ_SIZE = 1 << 17


def may_be_idx(path: str | os.PathLike[str]) -> bool:
    """Whether a file's first bytes are IDX or gzip, not an image."""
    with open(path, "rb") as file:
        return file.read(2) in (b"\0\0", _GZIP_MAGIC)


def read_idx(
    source: str | os.PathLike[str] | IO[bytes], *, name: str | None = None, sha256: str | None = None
) -> np.ndarray:
    """Read an IDX file, gzipped or not (detected from its first bytes), as a NumPy array.

    Args:
        source: a path, or a file open for reading bytes.
        name: the file's name in error messages; by default its path.
        sha256: the expected SHA-256 of the unpacked file, in hexadecimal; by default unchecked.

    Returns:
        The array, writable, in native byte order: uint8, int8, int16, int32, float32 or float64.

    Raises:
        MissingFileError: if there is no such file.
        DataError: if the file is not IDX, is truncated, has bytes after its data, or has another SHA-256.

    >>> import io
    >>> read_idx(io.BytesIO(bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 0, 5, 255, 255])))
    array([ 5, -1], dtype=int16)
    """
    if isinstance(source, (str, os.PathLike)):
        with opened(source, "an IDX file") as file:
            return _read_array(file, name or os.fspath(source), sha256)
    return _read_array(source, name or str(getattr(source, "name", "the IDX stream")), sha256)


def _read_array(file: IO[bytes], name: str, sha256: str | None) -> np.ndarray:
    stream = _Stream(_unpacked(file, name), hashed=sha256 is not None)
    dtype, shape = _read_header(stream, name)
    expected = math.prod(shape) * dtype.itemsize
    data = stream.read(expected)
    shown = f"shape {shape}" if len(shape) <= _MOST_SHOWN else f"{len(shape)} dimensions"
    size = f"{expected} bytes" if len(shape) <= _MOST_SHOWN else "far too many bytes"
    promise = f"the header promises {dtype} of {shown}, {size}"
    if len(data) < expected:
        raise DataError(f"{name} is truncated: {promise}, found {len(data)}")
    if stream.read(1):
        raise DataError(f"{name} has bytes after its data: {promise}, found more")
    if sha256 is not None and stream.digest() != sha256:
        raise DataError(f"{name} is damaged: expected SHA-256 {sha256} unpacked, found {stream.digest()}")
    try:
        array = np.ndarray(shape, dtype, buffer=cast(Any, data))
    except ValueError as error:  # an empty array whose other dimensions are beyond NumPy
        raise DataError(f"{name}: NumPy cannot hold an array of {shown}: {error}") from error
    return array.byteswap(inplace=True) if sys.byteorder == "little" else array


def _read_header(stream: "_Stream", name: str) -> tuple[np.dtype, tuple[int, ...]]:
    start = bytes(stream.read(4))
    if len(start) < 4:
        raise DataError(
            f"{name} is not an IDX file: expected a header of at least 4 bytes, found {len(start)}"
        )
    if start[:2] != b"\0\0":
        raise DataError(
            f"{name} is not an IDX file: expected it to start with bytes 00 00, found {start[:2].hex(' ')}"
        )
    code, dimensions = start[2], start[3]
    if code not in _ELEMENT_TYPES:
        raise DataError(f"{name}: unknown IDX element type 0x{code:02X}; the format has {_KNOWN_TYPES}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        expected = f"expected {4 * dimensions} bytes for {dimensions} dimensions"
        raise DataError(f"{name} is truncated: {expected}, found {len(sizes)}")
    return _ELEMENT_TYPES[code], struct.unpack(f">{dimensions}I", sizes)


class _Stream:
    """A stream of bytes from an iterator of chunks, which reads a chunk only when needed."""

    def __init__(self, pieces: Iterator[bytes], *, hashed: bool) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")
        self._hash = hashlib.sha256() if hashed else None

    def read(self, count: int) -> bytearray:
        data = bytearray()
        while len(data) < count:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._rest = memoryview(piece)
                if self._hash is not None:
                    self._hash.update(piece)
            taken = self._rest[: count - len(data)]
            data += taken
            self._rest = self._rest[len(taken) :]
        return data

    def digest(self) -> str:
        """The SHA-256 of all chunks read up to now, in hexadecimal."""
        assert self._hash is not None
        return self._hash.hexdigest()


def _unpacked(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The content of `file` in chunks of bounded size, unpacked if it begins like a gzip file."""
    first = file.read(_READ_SIZE)
    packed = chain([first], iter(lambda: file.read(_READ_SIZE), b""))
    return _gunzipped(packed, name) if first.startswith(_GZIP_MAGIC) else packed


def _gunzipped(packed: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Decompress consecutive gzip members (RFC 1952) and check their checksums."""
    block = next(packed, b"")
    read, unpacked = len(block), 0
    while block:
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        while not member.eof:
            try:
                piece = member.decompress(block, _PIECE)
            except zlib.error as error:
                raise DataError(f"{name}: its gzip data is damaged: {error}") from error
            if not block and not piece and not member.eof:
                raise DataError(f"{name} is truncated: its gzip data ends too early")
            unpacked += len(piece)
            if unpacked > unpacked_limit(read):
                raise DataError(f"{name}: {FAR_MORE}")
            yield piece
            block = member.unconsumed_tail
            if not block and not member.eof:
                block = next(packed, b"")
                read += len(block)
        block = member.unused_data
        if not block:
            block = next(packed, b"")
            read += len(block)
