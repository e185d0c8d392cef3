"""Safetensors files, which contain named arrays and strings, and which are fully checked when read.

A file consists of a uint64 length (little-endian), a JSON header of that length, and the arrays' bytes without gaps.
The header has each array's dtype, shape and offsets, and, under ``__metadata__``, strings by name (the safetensors
"Format"). lamina's files have two more entries. The first is a digest: ``sha256:`` and 64 hexadecimal digits, the
SHA-256 of the whole file, computed with 64 zeros in place of the digits. The second states that the file has a digest;
thus a file that has lost its digest by damage is not taken for a file that never had one.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from typing import Any

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.support.files.atomic import atomic_write
from lamina.support.files.foreign import opened, what_else
from lamina.support.files.typed_json import decoded
from lamina.support.messages import excerpt

_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4", "U32": "<u4",
    "F32": "<f4", "I64": "<i8", "U64": "<u8", "F64": "<f8",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_METADATA = "__metadata__"
_LONGEST_HEADER = 100_000_000  # the limit of the safetensors library
_MOST_DIMENSIONS = 64  # of NumPy

_SIGNED, _VERSION = "lamina.file", "1"
_DIGEST = "lamina.digest"
_PREFIX = f'"{_DIGEST}":"sha256:'.encode()
_DIGITS = 64
_UNSIGNED = b"0" * _DIGITS


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An array's entry in the header."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class TensorFile:
    """A safetensors file with a checked header, whose arrays have not been read yet.

    Attributes:
        name: the file's name, for messages.
        metadata: the strings in the file by name, without the two entries about the digest.
        shapes, dtypes: the arrays' shapes and dtypes, by name.
        is_signed: whether the file has a digest, which `arrays` checks.
    """

    def __init__(self, file: BufferedReader, name: str) -> None:
        self.name, self._file = name, file
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, _LONGEST_HEADER):
            known = what_else(file)
            raise self.error(known or _no_header(length, size))
        header = file.read(length)
        self._beginning = start + header
        self._size = size - len(self._beginning)
        raw: dict[str, msgspec.Raw] = decoded(
            header, dict[str, msgspec.Raw], self._what("its header"), lenient=False
        )
        self.metadata = decoded(bytes(raw.pop(_METADATA, b"{}")), dict[str, str], self._what("its metadata"))
        self._places = {
            key: decoded(bytes(text), _Place, self._what(f"array {key[:80]!r}")) for key, text in raw.items()
        }
        self.dtypes = {key: self._dtype(key, place) for key, place in self._places.items()}
        self.shapes = {key: place.shape for key, place in self._places.items()}
        self._check_places()
        self.is_signed = self.metadata.pop(_DIGEST, None) is not None
        version = self.metadata.pop(_SIGNED, None)
        # A digest is recognized even if its name is damaged.
        has_digest = any(text.startswith("sha256:") for text in self.metadata.values())
        if (version is not None or has_digest) and not self.is_signed:
            raise self.damaged("it has lost its digest")
        if version not in (None, _VERSION):
            raise self.error(f"its version is {version!r}; this lamina reads {_VERSION}")

    def error(self, problem: object) -> DataError:
        """The error for a file of the wrong kind or with invalid content."""
        return DataError(self._what(problem))

    def damaged(self, problem: object) -> DataError:
        """The error for a damaged file."""
        return DataError(f"{self.name} is damaged: {excerpt(problem)}")

    @contextmanager
    def converted(self) -> Generator[None]:
        """A context that replaces errors about the content by a `DataError` that names the file."""
        try:
            yield
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            if isinstance(error, DataError) and self.name in str(error):
                raise
            raise self.damaged(error) from error

    def arrays(self) -> dict[str, np.ndarray]:
        """Read all arrays into memory; they are writable.

        Raises:
            DataError: the content does not match the digest, or the file has been truncated since it was opened.
        """
        content = bytearray(self._size)
        if self._file.readinto(content) < self._size:
            raise self.error("it got shorter while it was read")
        if self.is_signed:
            self._check_digest(content)
        try:
            return {key: self._array(content, key, place) for key, place in self._places.items()}
        except ValueError as error:  # an empty array whose other dimensions are beyond NumPy
            raise self.error(error) from error

    def _what(self, problem: object) -> str:
        return f"{self.name} is not a readable safetensors file: {excerpt(problem)}"

    def _dtype(self, key: str, place: _Place) -> np.dtype[Any]:
        if place.dtype not in _DTYPES:
            raise self.error(f"array {key!r} has the dtype {place.dtype[:20]!r}, which NumPy lacks")
        return np.dtype(_DTYPES[place.dtype])

    def _check_places(self) -> None:
        """Raise an error unless the arrays fill the file without gaps."""
        end = 0
        for key, place in sorted(self._places.items(), key=lambda item: item[1].data_offsets):
            if len(place.shape) > _MOST_DIMENSIONS or any(size < 0 for size in place.shape):
                raise self.error(f"array {key!r} has a shape that NumPy can't hold")
            begin, size = end, math.prod(place.shape) * self.dtypes[key].itemsize
            end += size
            if place.data_offsets != (begin, end):
                raise self.error(f"array {key!r} of shape {place.shape} is not at bytes {begin} to {end}")
        if end != self._size:
            raise self.error(f"its arrays have {end} bytes, but {self._size} follow the header")

    def _check_digest(self, content: bytearray) -> None:
        before, *after = self._beginning.split(_PREFIX)
        if len(after) != 1:
            raise self.damaged("its digest is not in its place")
        digits, rest = after[0][:_DIGITS], after[0][_DIGITS:]
        if digits != _digest(before, rest, content):
            raise self.damaged("its content does not match its SHA-256")

    def _array(self, content: bytearray, key: str, place: _Place) -> np.ndarray:
        dtype, (begin, _) = self.dtypes[key], place.data_offsets
        count = math.prod(place.shape)
        array = np.frombuffer(content, dtype, count, begin) if self._size else np.empty(0, dtype)
        if not array.flags.aligned:
            array = array.copy()
        if dtype == np.bool_:  # only bytes 0 and 1 are valid
            array = array.view(np.uint8) != 0
        return array.astype(dtype.newbyteorder("="), copy=False).reshape(place.shape)


def _no_header(length: int, size: int) -> str:
    """Why a file of `size` bytes can't have a header of `length` bytes, which its first 8 bytes announce."""
    if size < 8:
        return f"it has only {size} bytes; it may be empty or cut off"
    if length > size - 8:
        return f"its first 8 bytes announce a header of {length:,} bytes, but the file has only {size:,}"
    return f"its header of {length:,} bytes is longer than the limit of {_LONGEST_HEADER:,}"


def _digest(before: bytes, rest: bytes, *contents: Any) -> bytes:
    """The digest of a file, computed with zeros for the digits between `before` and `rest`."""
    digest = hashlib.sha256(before + _PREFIX + _UNSIGNED + rest)
    for content in contents:
        digest.update(content)
    return digest.hexdigest().encode()


@contextmanager
def open_tensors(path: str | os.PathLike[str]) -> Generator[TensorFile]:
    """A context with a file whose header is checked, as a `TensorFile`, which reads the arrays.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is truncated or corrupt, or has a dtype that NumPy lacks (bfloat16, float8).
    """
    with opened(path, "a safetensors file") as file:
        yield TensorFile(file, os.fspath(path))


def is_tensor_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins with a header length and JSON, like a safetensors file."""
    with opened(path, "a safetensors file") as file:
        return file.read(9)[8:] == b"{"


def load_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata in a safetensors file, each by name, in any order.

    The digest in lamina's files is checked; other programs' files have none.

    Raises:
        FileNotFoundError: if there is no such file.
        DataError: if the file is truncated or corrupt, or has a dtype that NumPy lacks (bfloat16, float8).
    """
    with open_tensors(path) as file:
        return file.arrays(), file.metadata


def save_tensors(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays and text metadata as a safetensors file with a digest, atomically.

    Equal arrays and metadata give equal bytes.

    Args:
        path: the file to write.
        arrays: arrays by name, of any shape and of dtype bool, (u)int8…64 or float16…64; stored in C order.
        metadata: texts by name; any but the file's own, ``lamina.file`` and ``lamina.digest``.

    Raises:
        TypeError: a value is not an array of these dtypes, or metadata is not text; the message names the value.
        ValueError: metadata has one of the file's own names.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> save_tensors(path, {"weight": np.eye(2, dtype=np.float32)}, {"epoch": "3"})
    >>> arrays, metadata = load_tensors(path)
    >>> arrays["weight"].shape, metadata
    ((2, 2), {'epoch': '3'})
    """
    for key, text in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"metadata must map text to text, not {key!r} to {type(text).__name__} {text!r}")
        if key in (_SIGNED, _DIGEST):
            raise ValueError(f"metadata {key!r} is the file's own entry; use another name")
    tensors = {name: _storable(name, array) for name, array in arrays.items()}
    ordered = dict(sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])))
    header = _header(ordered, metadata or {})
    start = len(header).to_bytes(8, "little") + header
    before, rest = start.split(_PREFIX + _UNSIGNED)
    contents = [array.reshape(-1).view(np.uint8) for array in ordered.values()]
    with atomic_write(path) as file:
        file.write(before + _PREFIX + _digest(before, rest, *contents) + rest)
        for content in contents:
            file.write(content)


def _header(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The header with zeros for the digest, padded to align the arrays to 8 bytes."""
    marks = {_SIGNED: _VERSION, _DIGEST: f"sha256:{_UNSIGNED.decode()}"}
    texts = dict(sorted({**metadata, **marks}.items()))
    places: dict[str, Any] = {_METADATA: texts}
    end = 0
    for name, array in tensors.items():
        begin, end = end, end + array.nbytes
        places[name] = _Place(_NAMES[array.dtype], array.shape, (begin, end))
    try:
        header = msgspec.json.encode(places)
    except UnicodeEncodeError as error:
        raise TypeError(f"names and metadata must be text that UTF-8 can hold: {error}") from error
    return header + b" " * (-len(header) % 8)


def _storable(name: str, array: np.ndarray) -> np.ndarray:
    """`array` in the format's memory layout, i.e. C order and little-endian."""
    if not isinstance(name, str) or name == _METADATA:
        raise TypeError(f"a tensor's name must be text other than '{_METADATA}', not {name!r}")
    if not isinstance(array, np.ndarray) or not (array.dtype == np.bool_ or array.dtype.kind in "iuf"):
        kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
        raise TypeError(
            f"tensor {name!r} is {kind}; safetensors holds NumPy arrays of bool, integers and floats"
        )
    if array.dtype.itemsize > 8:
        raise TypeError(
            f"tensor {name!r} is an array of {array.dtype}; the widest float in safetensors is float64"
        )
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
