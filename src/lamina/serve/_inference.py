"""The Open Inference Protocol, version 2: named tensors, as sent by clients of KServe and Triton.

https://github.com/kserve/open-inference-protocol, with Triton's extension for tensors as bytes after the JSON. Each
column is an input of shape [rows] or [rows, 1]; columns of numbers may be sent together as a single input "X". Each
output is the result of an estimator's method, such as "predict", and has the method's name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np
from starlette.responses import Response

from lamina.serve._bodies import TableBodies, decoded, require_single_keys
from lamina.serve._errors import RequestError
from lamina.serve._model import Model
from lamina.serve._rows import Inputs
from lamina.support.messages import excerpt
from lamina.table.schema import ColumnSchema

HEADER = "Inference-Header-Content-Length"
"""The header with the length of the JSON, if bytes of tensors follow."""

_MATRIX = "X"


class _Wanted(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Request(msgspec.Struct):
    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[_Wanted] = []


def metadata(model: Model, versions: Iterable[str]) -> dict[str, Any]:
    """The names, datatypes and shapes of a model's inputs and outputs, and its versions, as JSON values."""
    outputs = [
        _described(name, datatype_of(array), array.shape[1:])
        for name, array in model.tensors(model.no_outputs).items()
    ]
    for output in outputs:
        if output["name"] == "predict_proba":
            output["parameters"] = {"classes": model.classes}
        elif model.quantiles:
            output["parameters"] = {"quantiles": model.quantiles}
    inputs = [_described(name, datatype, further) for name, (datatype, further) in _inputs(model).items()]
    return {
        "name": model.name, "versions": [*versions], "platform": "lamina", "inputs": inputs, "outputs": outputs,
    }  # fmt: skip


def _described(name: str, datatype: str, further: Sequence[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1, *further]}


def _inputs(model: Model) -> dict[str, tuple[str, list[int]]]:
    """The datatype and the shape, without the axis of rows, of each input of a model, by name."""
    schema = model.schema
    if not schema.named and _is_numeric(model.bodies):
        return {_MATRIX: (schema.row_form.datatype, [len(schema.columns)])}
    return {column.name: (_datatype(column), []) for column in schema.used}


def _datatype(column: ColumnSchema) -> str:
    """The protocol's datatype that is recommended for a column; a request may use other numeric datatypes."""
    example = column.type.example(column)
    if isinstance(example, int | float) and not isinstance(example, bool):
        whole = column.dtype is not None and column.dtype.kind in "iu" and not column.missing
        return "INT64" if whole else "FP64"
    return "BOOL" if isinstance(example, bool) else "BYTES"


def _is_numeric(bodies: TableBodies) -> bool:
    return all(_datatype(column) in ("FP64", "INT64") for column in bodies.schema.used)


class InferenceCall:
    """A request of the protocol to a model, with methods that parse and answer the request.

    Args:
        model: the requested version of a model.
        head: the value of the header `HEADER`, i.e. the length of the JSON; None: the whole body is JSON.
    """

    def __init__(self, model: Model, head: str | None) -> None:
        self._model, self._head = model, head
        self._request = _Request([])

    def read(self, body: bytes, most: int) -> Inputs:
        """Parse and check a body with at most `most` rows.

        Raises:
            RequestError: the body is invalid.
        """
        length = _length(self._head, len(body))
        self._request = _request(body[:length], most)
        known = self._model.tensors(self._model.no_outputs)
        for wanted in self._request.outputs:
            if wanted.name not in known:
                said = f"there is no output {excerpt(wanted.name, 80)!r}"
                raise RequestError(400, f"{said}; the model has {', '.join(known)}")
        values: dict[str, list[Any]] = {}
        rest = memoryview(body)[length:]
        for tensor in self._request.inputs:
            if tensor.name in values:
                raise RequestError(400, f"the input {excerpt(tensor.name, 80)!r} is given twice")
            values[tensor.name], rest = values_of(tensor, rest)
        if rest:
            raise RequestError(400, f"{len(rest):,} bytes after the JSON do not belong to any input")
        return self._rows(values, most)

    def _rows(self, values: Mapping[str, list[Any]], most: int) -> Inputs:
        """Check the request's rows; `values` has the values of each input in row-major order."""
        bodies, shapes = self._model.bodies, {tensor.name: tensor.shape for tensor in self._request.inputs}
        names = [column.name for column in bodies.schema.columns]
        width = len(names)
        if list(shapes) == [_MATRIX] and shapes[_MATRIX][1:] == [width] and _is_numeric(bodies):
            flat = values[_MATRIX]
            if not bodies.schema.named:
                return bodies.of_rows([flat[i : i + width] for i in range(0, len(flat), width)], most)
            return bodies.of_columns({name: flat[i::width] for i, name in enumerate(names)}, most)
        if bodies.schema.row_form.whole:
            raise RequestError(400, f"the model takes one input, {_MATRIX!r}, of shape [rows, {width}]")
        for name, shape in shapes.items():
            if shape[1:] not in ([], [1]):
                said = f"the input {excerpt(name, 80)!r} has the shape {shape}"
                raise RequestError(400, f"{said}; a column has the shape [rows] or [rows, 1]")
        return bodies.of_columns(values, most)

    def answer(self, inputs: Inputs, outputs: np.ndarray) -> Response:
        """Create the response with these outputs."""
        arrays, request = self._model.tensors(outputs), self._request
        in_bytes = request.parameters.get("binary_data_output", False)
        tensors: list[dict[str, Any]] = []
        parts: list[bytes] = []
        for wanted in request.outputs or map(_Wanted, arrays):
            array = arrays[wanted.name]
            tensor = {"name": wanted.name, "datatype": datatype_of(array), "shape": list(array.shape)}
            if wanted.parameters.get("binary_data", in_bytes) is True:
                parts.append(packed(array))
                tensors.append({**tensor, "parameters": {"binary_data_size": len(parts[-1])}})
            else:
                tensors.append({**tensor, "data": array.ravel().tolist()})
        content: dict[str, Any] = {"model_name": self._model.name, "model_version": self._model.version}
        content |= {} if request.id is None else {"id": request.id}
        content |= {"parameters": {"notes": "; ".join(inputs.notes)}} if inputs.notes else {}
        head = msgspec.json.encode({**content, "outputs": tensors})
        if not parts:
            return Response(head, media_type="application/json")
        headers = {HEADER: str(len(head))}
        return Response(b"".join([head, *parts]), headers=headers, media_type="application/octet-stream")


def _length(head: str | None, most: int) -> int:
    """The number of bytes of JSON at the start of a body of `most` bytes."""
    if head is None:
        return most
    if not (head.isascii() and head.isdecimal() and len(head) < 19 and int(head) <= most):
        raise RequestError(
            400,
            f"{HEADER} is {excerpt(head, 40)!r}; it must be the length of the JSON in bytes, at most {most:,}",
        )
    return int(head)


def _request(head: bytes, most: int) -> _Request:
    content = decoded(head, most)
    if head.count(b":") != _keys(content):  # texts with colons, or duplicate keys
        require_single_keys(head)
    try:
        return msgspec.convert(content, _Request)
    except msgspec.ValidationError as error:
        raise RequestError(400, f"the body does not follow the protocol: {excerpt(error)}") from error


def _keys(content: Any) -> int:
    """The number of keys in a request's objects, except objects within data."""
    if isinstance(content, dict):
        return len(content) + sum(_keys(entry) for name, entry in content.items() if name != "data")
    return sum(map(_keys, content)) if isinstance(content, list) else 0


# --- Tensors of the Open Inference Protocol: values in JSON or as bytes, checked against data type and shape ---------


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
    """Parse a tensor's values, in row-major order, and return them with the unread bytes of `rest`.

    Missing values become None.

    Args:
        tensor: the tensor.
        rest: the bytes after the JSON, beginning with this tensor's bytes, if it is binary.

    Raises:
        RequestError: 400, the values don't match the tensor's data type and shape.

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
    """Parse a tensor's JSON data, flat or nested, and round numbers to the tensor's data type."""
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
    """Parse binary data: little-endian numbers (None for NaN), or texts, each preceded by its length."""
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
    """The protocol's datatype for an output: BOOL, INT64, FP64 or BYTES."""
    return {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64"}.get(array.dtype.kind, "BYTES")


def packed(array: np.ndarray) -> bytes:
    r"""Convert an output to bytes, in the format that `values_of` parses.

    >>> packed(np.array(["yes"]))
    b'\x03\x00\x00\x00yes'
    """
    datatype = datatype_of(array)
    if datatype != "BYTES":
        return np.ascontiguousarray(array, _DTYPES[datatype]).tobytes()
    texts = [text.encode() for text in array.ravel().tolist()]
    return b"".join(part for text in texts for part in (len(text).to_bytes(4, "little"), text))
