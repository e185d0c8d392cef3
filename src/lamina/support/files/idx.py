"""IDX, the file format of MNIST, with one big-endian array of any shape per file, often gzipped.

A file consists of two zero bytes, a byte for the element type, a byte for the number of dimensions, each dimension as a
big-endian uint32, and the elements in C order (LeCun, Cortes and Burges, "The MNIST database", 1998). The reader does
not trust headers: it never allocates more memory than the file's real content.
"""

import gzip
import io
import math
import os
import struct
import sys
import zlib
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


def read_idx(source: str | os.PathLike[str] | IO[bytes], *, name: str | None = None) -> np.ndarray:
    """Read an IDX file, gzipped or not (detected from its first bytes), as a NumPy array.

    Args:
        source: a path, or a file open for reading bytes.
        name: the file's name in error messages; by default its path.

    Returns:
        The array, writable, in native byte order: uint8, int8, int16, int32, float32 or float64.

    Raises:
        MissingFileError: if there is no such file.
        DataError: if the file is not IDX, is truncated or damaged, or has bytes after its data.

    >>> import io
    >>> read_idx(io.BytesIO(bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 0, 5, 255, 255])))
    array([ 5, -1], dtype=int16)
    """
    if isinstance(source, (str, os.PathLike)):
        with opened(source, "an IDX file") as file:
            return _read_array(file, name or os.fspath(source))
    return _read_array(source, name or str(getattr(source, "name", "the IDX stream")))


def _read_array(file: IO[bytes], name: str) -> np.ndarray:
    stream = _Stream(file, name)
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
    """The bytes of a file, unpacked if it begins like a gzip file (RFC 1952, of one or more members).

    They are at most `unpacked_limit` of the packed bytes.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._name, self._packed = name, _Counted(file)
        packed = io.BufferedReader(self._packed, _READ_SIZE)
        is_gzip = packed.peek(2).startswith(_GZIP_MAGIC)
        self._file: Any = gzip.GzipFile(fileobj=packed) if is_gzip else packed
        self._unpacked = 0

    def read(self, count: int) -> bytearray:
        """The next `count` bytes, or the rest of the file if it is shorter."""
        data = bytearray()
        while len(data) < count and (piece := self._piece(min(count - len(data), _PIECE))):
            data += piece
        return data

    def _piece(self, most: int) -> bytes:
        try:
            piece = self._file.read(most)
        except EOFError as error:
            raise DataError(f"{self._name} is truncated: its gzip data ends too early") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self._name}: its gzip data is damaged: {error}") from error
        self._unpacked += len(piece)
        if self._unpacked > unpacked_limit(self._packed.count):
            raise DataError(f"{self._name}: {FAR_MORE}")
        return piece


class _Counted(io.RawIOBase):
    """A file that counts the bytes read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.count = file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)
