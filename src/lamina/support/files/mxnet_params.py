"""MXNet's array file format, `.params`: reading of all dense versions, and writing of MXNet 1.x's version.

All numbers are little-endian. A file consists of uint64 0x112, a reserved uint64, a vector of arrays, and a
vector of names. A vector is a uint64 count and its items; a name is a uint64 length and UTF-8 bytes. An array
starts with a uint32 that identifies its version:

| form   | starts with          | then                      | shape                                    |
|--------|----------------------|---------------------------|------------------------------------------|
| legacy | number of dimensions | the sizes                 | uint32 sizes                             |
| V1     | 0xF993FAC8           | shape                     | int32 number of dimensions, int64 sizes  |
| V2     | 0xF993FAC9           | int32 storage type, shape | as V1                                    |
| V3     | 0xF993FACA           | int32 storage type, shape | as V1; no dimensions means a scalar      |

and continues with the device (int32 type, int32 number), an int32 element type and the elements in C order.
Before V3, an array without dimensions has no shape yet, and nothing follows. (Apache MXNet 1.9,
src/ndarray/ndarray.cc, `NDArray::Save` and `NDArray::Load`.)
"""

import io
import math
import os
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from lamina.errors import DataError, DTypeError, ShapeError
from lamina.support.files.atomic import atomic_write
from lamina.support.files.foreign import opened, what_else

_LIST_MAGIC = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_MOST_DIMENSIONS = 32  # MXNet's limit; a larger number is an unknown version, not a legacy array
_DENSE, _SPARSE_STORAGE = 0, {1: "row_sparse", 2: "csr"}
_CPU = (1, 0)
_DEVICE_TYPES = range(1, 7)

# mshadow's TypeFlag. MXNet 1.x uses the first eight; bfloat16, which NumPy lacks, is widened to float32.
_BFLOAT16 = 12
_ELEMENT_TYPES = dict(
    enumerate(map(np.dtype, ["<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?", "<i2", "<u2", "<u4", "<u8"]))
) | {_BFLOAT16: np.dtype("<u2")}
_TYPE_FLAGS = {_ELEMENT_TYPES[flag].newbyteorder("="): flag for flag in range(8)}


def load_params(path: str | os.PathLike[str]) -> list[np.ndarray] | dict[str, np.ndarray]:
    """Read a `.params` file, as a dict of arrays if they were saved with names, else as a list.

    Names are returned as they are in the file; MXNet's `Module` wrote names that begin with "arg:" or "aux:". Arrays
    saved from a GPU are loaded like all others. bfloat16 becomes float32, which represents its values exactly.

    Args:
        path: the file.

    Returns:
        The writable arrays in native byte order. A file without any array gives an empty list.

    Raises:
        MissingFileError: if there is no such file.
        DataError: if the file is not of this format, is truncated or corrupt, or has an array that is sparse or has no
            shape. The memory that is used is proportional to the length of the file.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "net.params")
    >>> save_params(path, {"dense0_bias": np.zeros(3, np.float32)})
    >>> load_params(path)
    {'dense0_bias': array([0., 0., 0.], dtype=float32)}
    """
    with opened(path, "an MXNet array file") as file:
        return _read_arrays(_Reader(file, os.fspath(path), os.fstat(file.fileno()).st_size))


def params_from_bytes(content: bytes) -> list[np.ndarray] | dict[str, np.ndarray]:
    """Read the arrays in the bytes of a `.params` file, like `load_params`."""
    return _read_arrays(_Reader(io.BytesIO(content), "buffer", len(content)))


class _Reader:
    """A reader of a file with untrusted lengths, which allocates no more bytes than the file has."""

    def __init__(self, file: io.BufferedReader | io.BytesIO, name: str, size: int) -> None:
        self._file = file
        self._name = name
        self.remaining = size

    def error(self, message: str) -> DataError:
        return DataError(f"{self._name}: {message}")

    def what_else(self) -> str | None:
        return what_else(self._file)

    def numbers(self, layout: str, what: str) -> tuple[int, ...]:
        """Read integers in the `struct` layout `layout`; `what` is their name in errors."""
        return struct.unpack(layout, self.content(struct.calcsize(layout), what))

    def content(self, size: int, what: str) -> bytearray:
        if size > self.remaining:
            raise self.error(f"truncated: expected {size} bytes of {what}, found {self.remaining}")
        data = bytearray(size)
        if self._file.readinto(data) < size:
            raise self.error(f"the file got shorter while it was read, in {what}")
        self.remaining -= size
        return data


def _read_arrays(reader: _Reader) -> list[np.ndarray] | dict[str, np.ndarray]:
    magic, _reserved = reader.numbers("<QQ", "the file's header")
    if magic != _LIST_MAGIC:
        raise reader.error(
            f"not an MXNet array file: {reader.what_else() or f'expected it to start with 0x112, found 0x{magic:X}'}"
        )
    (count,) = reader.numbers("<Q", "the number of arrays")
    arrays: list[np.ndarray] = []
    while len(arrays) < count:  # `count` may be any number, far beyond the end of the file
        arrays.append(_read_array(reader, f"array {len(arrays)} of {count}"))
    names = _read_names(reader)
    if reader.remaining:
        raise reader.error(f"{reader.remaining} bytes too many: the file should end after the names")
    if not names:
        return arrays
    if len(names) != len(arrays):
        raise reader.error(f"expected a name for each of {len(arrays)} arrays, found {len(names)}")
    return dict(zip(names, arrays, strict=True))


def _read_array(reader: _Reader, what: str) -> np.ndarray:
    (form,) = reader.numbers("<I", what)
    if form in (_V2, _V3):
        (storage,) = reader.numbers("<i", f"the storage type of {what}")
        if storage in _SPARSE_STORAGE:
            kind = _SPARSE_STORAGE[storage]
            raise reader.error(
                f"{what} is sparse ({kind}); lamina is dense: convert it in MXNet with tostype('default')"
            )
        if storage != _DENSE:
            raise reader.error(f"{what} has the unknown storage type {storage}")
    shape = _read_shape(reader, form, what)
    device, _number, flag = reader.numbers("<iii", f"the device and element type of {what}")
    if device not in _DEVICE_TYPES:
        raise reader.error(f"{what} has the unknown device type {device}")
    if flag not in _ELEMENT_TYPES:
        raise reader.error(f"{what} has the unknown element type {flag}")
    dtype = _ELEMENT_TYPES[flag]
    data = reader.content(math.prod(shape) * dtype.itemsize, f"{what}, {dtype} of shape {shape}")
    # Any byte but 0 is true, as in C++; NumPy's own bool must be exactly 0 or 1.
    stored = np.frombuffer(data, np.uint8 if dtype == np.bool_ else dtype)
    try:
        return _native(stored, flag).reshape(shape)
    except ValueError as error:  # an empty array whose other dimensions are beyond NumPy
        raise reader.error(f"{what}: NumPy cannot hold shape {shape}: {error}") from error


def _native(stored: np.ndarray, flag: int) -> np.ndarray:
    if flag == _BFLOAT16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    if _ELEMENT_TYPES[flag] == np.bool_:
        return stored != 0
    return stored.astype(stored.dtype.newbyteorder("="), copy=False)


def _read_shape(reader: _Reader, form: int, what: str) -> tuple[int, ...]:
    """Read the shape of an array, whose first uint32 `form` identifies the version."""
    if form in (_V1, _V2, _V3):
        (dimensions,) = reader.numbers("<i", f"the number of dimensions of {what}")
        size_type = "q"
    else:
        dimensions, size_type = form, "I"
        if dimensions > _MOST_DIMENSIONS:
            raise reader.error(f"{what} has the unknown form 0x{form:X}")
    if dimensions > _MOST_DIMENSIONS:
        raise reader.error(f"{what} claims {dimensions} dimensions; MXNet has at most {_MOST_DIMENSIONS}")
    shape = reader.numbers(f"<{max(dimensions, 0)}{size_type}", f"the shape of {what}")
    if dimensions < 0 or (dimensions == 0 and form != _V3) or any(size < 0 for size in shape):
        raise reader.error(f"{what} was saved before it had a shape; initialize it in MXNet and save again")
    return shape


def _read_names(reader: _Reader) -> list[str]:
    (count,) = reader.numbers("<Q", "the number of names")
    names: dict[str, None] = {}
    while len(names) < count:
        what = f"name {len(names)} of {count}"
        (length,) = reader.numbers("<Q", f"the length of {what}")
        try:
            name = reader.content(length, what).decode("utf-8")
        except UnicodeDecodeError as error:
            raise reader.error(f"{what} is not UTF-8: {error}") from error
        if name in names:
            raise reader.error(f"two arrays have the name {name!r}")
        names[name] = None
    return list(names)


def save_params(
    path: str | os.PathLike[str],
    data: Sequence[np.ndarray] | Mapping[str, np.ndarray],
    *,
    numpy_shapes: bool = False,
) -> None:
    """Write arrays as a `.params` file that MXNet 1.x loads, with names if `data` is a mapping.

    Args:
        path: the file to write.
        data: arrays of float32, float64, float16, uint8, int32, int8, int64 or bool, of any shape except ().
        numpy_shapes: whether to write version V3, which allows the shape () but which MXNet reads only after
            ``npx.set_np()``.

    Raises:
        DTypeError: if MXNet 1.x has no such element type.
        ShapeError: if an array has shape () without `numpy_shapes`, since version V2 stores "shape unknown" as ().

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "two.params")
    >>> save_params(path, [np.arange(2), np.ones((1, 2), np.float16)])
    >>> load_params(path)
    [array([0, 1]), array([[1., 1.]], dtype=float16)]
    """
    named = isinstance(data, Mapping)
    pairs = data.items() if named else enumerate(data)
    arrays = {repr(key): array for key, array in pairs}
    headers = [_array_header(name, array, _V3 if numpy_shapes else _V2) for name, array in arrays.items()]
    names = [name.encode("utf-8") for name in data] if named else []
    with atomic_write(path) as file:
        file.write(struct.pack("<QQQ", _LIST_MAGIC, 0, len(arrays)))
        for header, array in zip(headers, arrays.values(), strict=True):
            file.write(header)
            file.write(array.astype(array.dtype.newbyteorder("<"), order="C", copy=False).tobytes())
        file.write(struct.pack("<Q", len(names)))
        for name in names:
            file.write(struct.pack("<Q", len(name)) + name)


def _array_header(name: str, array: np.ndarray, form: int) -> bytes:
    """The bytes of an array before its elements, in version V2 or V3 (`form`)."""
    flag = _TYPE_FLAGS.get(array.dtype.newbyteorder("="))
    if flag is None:
        known = ", ".join(map(str, _TYPE_FLAGS))
        raise DTypeError(
            f"array {name}: MXNet has no element type for {array.dtype}; convert it to one of {known}"
        )
    if array.ndim == 0 and form == _V2:
        raise ShapeError(
            f"array {name} has shape (), which MXNet 1.x can save only in the format for NumPy's shapes: use npx.save, "
            "or reshape it to (1,)"
        )
    shape = struct.pack(f"<I{array.ndim}q", array.ndim, *array.shape)
    return struct.pack("<Ii", form, _DENSE) + shape + struct.pack("<iii", *_CPU, flag)
