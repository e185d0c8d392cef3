"""Tensors of the Open Inference Protocol: values in JSON or as bytes, checked against data type and shape."""

from __future__ import annotations

import math
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np

from lamina.serve._errors import RequestError
from lamina.support.messages import excerpt

_DTYPES = {
    "BOOL": np.dtype("u1"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_DATATYPES = (*_DTYPES, "BYTES")


class Tensor(msgspec.Struct):
    """An input tensor of a request."""

    name: str
    shape: list[Annotated[int, msgspec.Meta(ge=0)]]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


def values_of(tensor: Tensor, rest: memoryview) -> tuple[list[Any], memoryview]:
    """A tensor's values in row-major order, None where missing; and the remaining bytes.

    Args:
        tensor: the tensor.
        rest: the bytes after the JSON, beginning with this tensor's own bytes, if any.

    Raises:
        RequestError: 400, the values don't match data type and shape.

    >>> values_of(Tensor("age", [2, 1], "FP32", data=[[39], [None]]), memoryview(b""))[0]
    [39.0, None]
    """
    size = tensor.parameters.get("binary_data_size")
    try:
        if tensor.datatype not in _DATATYPES:
            raise ValueError(f"has an unknown datatype; known: {', '.join(_DATATYPES)}")
        if len(tensor.shape) not in (1, 2):
            raise ValueError(f"has {len(tensor.shape)} dimensions; give [rows] or [rows, columns]")
        if size is None:
            values = _of_json(tensor)
        else:
            if type(size) is not int or not 0 <= size <= len(rest) or tensor.data is not None:
                raise ValueError("has an invalid binary_data_size, or both binary and JSON data")
            values, rest = _of_bytes(tensor.datatype, rest[:size]), rest[size:]
        if len(values) != math.prod(tensor.shape):
            raise ValueError(f"has {len(values):,} values, but the shape {tensor.shape}")
    except ValueError as error:
        raise RequestError(400, f"the input {excerpt(tensor.name, 80)!r} {error}") from error
    return values, rest


def _of_json(tensor: Tensor) -> list[Any]:
    """The values of flat or nested JSON data, with numbers rounded to the data type."""
    values = tensor.data
    if values is None:
        raise ValueError("has no data")
    if len(tensor.shape) == 2 and values and all(type(value) is list for value in values):
        if {len(value) for value in values} != {tensor.shape[1]}:
            raise ValueError(f"has rows whose lengths differ from the shape {tensor.shape}")
        values = list(chain.from_iterable(values))
    given = [value for value in values if value is not None]
    if not set(map(type, given)) <= _in_json(tensor.datatype):
        raise ValueError(f"has data that is not {tensor.datatype}")
    if tensor.datatype in ("BYTES", "BOOL", "FP64"):
        return values
    try:
        with np.errstate(over="ignore"):
            rounded = iter(np.array(given, _DTYPES[tensor.datatype]).tolist())
    except OverflowError as error:
        raise ValueError(f"has numbers beyond {tensor.datatype}") from error
    return [None if value is None else next(rounded) for value in values]


def _in_json(datatype: str) -> set[type]:
    """The Python types of a datatype's JSON values."""
    others: dict[str, set[type]] = {"BYTES": {str}, "BOOL": {bool}}
    return others.get(datatype, {int, float} if datatype.startswith("FP") else {int})


def _of_bytes(datatype: str, content: memoryview) -> list[Any]:
    """The values of binary data: little-endian numbers, None for NaN; or texts, each after its length."""
    if datatype == "BYTES":
        return _texts(content)
    if len(content) % _DTYPES[datatype].itemsize:
        raise ValueError(f"has {len(content):,} bytes, not a multiple of the size of {datatype}")
    array = np.frombuffer(content, _DTYPES[datatype])
    if datatype == "BOOL":
        return (array != 0).tolist()
    return [None if math.isnan(value) else value for value in array.tolist()]


def _texts(content: memoryview) -> list[str]:
    texts: list[str] = []
    begin = 0
    while begin < len(content):
        end = begin + 4 + int.from_bytes(content[begin : begin + 4], "little")
        if end > len(content):
            raise ValueError("ends within a text")
        try:
            texts.append(str(content[begin + 4 : end], "utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError("has a text that is not UTF-8") from error
        begin = end
    return texts


def datatype_of(array: np.ndarray) -> str:
    """The data type of an output: BOOL, INT64, FP64 or BYTES."""
    return {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64"}.get(array.dtype.kind, "BYTES")


def packed(array: np.ndarray) -> bytes:
    r"""An output as bytes, in the format that `values_of` reads.

    >>> packed(np.array(["yes"]))
    b'\x03\x00\x00\x00yes'
    """
    datatype = datatype_of(array)
    if datatype != "BYTES":
        return np.ascontiguousarray(array, _DTYPES[datatype]).tobytes()
    texts = [text.encode() for text in array.ravel().tolist()]
    return b"".join(part for text in texts for part in (len(text).to_bytes(4, "little"), text))
