"""Files of `torch.save` with the tensors of a state_dict, read without executing anything in the file.

Since PyTorch 1.6 these files are zip archives, with the bytes of each storage under `data/`, and a pickle `data.pkl`
with each tensor's storage and offset. Nothing is unpickled: a loop over the opcodes builds dicts, tuples, numbers,
strings and tensors, and rejects everything else.
"""

from __future__ import annotations

import math
import os
import pickletools
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.support.files.limits import FAR_MORE, unpacked_limit
from lamina.support.messages import excerpt

_MOST_DIMENSIONS = 64  # of NumPy
_DTYPES = {
    "Double": "f8", "Float": "f4", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1",
    "Byte": "u1", "Bool": "u1", "BFloat16": "u2",
}  # fmt: skip
_DAMAGE = (ValueError, zipfile.BadZipFile, RuntimeError, EOFError, OSError, struct.error)  # of archives
_INSTEAD = "write the state_dict alone: torch.save(net.state_dict(), file)"


@dataclass(frozen=True)
class _Name:
    """The name of a Python object that the pickle refers to."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """A block of elements to which tensors refer, with an element type and a file in the archive."""

    kind: str
    key: str
    elements: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    begin: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def is_torch_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a zip archive written by `torch.save`, or a damaged zip archive."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except _DAMAGE:
        return True


def load_torch(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the tensors of a state_dict, as arrays by name.

    bfloat16 becomes float32, which represents its values exactly. The memory that is used is proportional to the length
    of the file.

    Args:
        path: a file written by `torch.save(net.state_dict(), path)`; reading an untrusted file is safe.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged, or contains anything except a dict of tensors; the message describes the
            content.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return _Archive(zipfile.ZipFile(file), unpacked_limit(size)).arrays()
        except _DAMAGE as error:
            said = f"is not a readable file of torch.save: {excerpt(error, 300)}"
            raise DataError(f"{os.fspath(path)} {said}") from error


class _Archive:
    """A zip archive of `torch.save`, whose sizes and offsets are not trusted."""

    def __init__(self, archive: zipfile.ZipFile, most: int) -> None:
        self._archive, self._left = archive, most
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError("it is an archive that does not have exactly one data.pkl")
        self._folder = names[0].removesuffix("data.pkl")
        has_order = f"{self._folder}byteorder" in archive.namelist()
        self._is_big = has_order and self._content("byteorder") == b"big"
        self._storages: dict[str, bytes] = {}

    def _content(self, name: str) -> bytes:
        info = self._archive.getinfo(self._folder + name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{excerpt(name, 80)} is compressed, which PyTorch never does")
        self._take(info.file_size)
        return self._archive.read(info)

    def arrays(self) -> dict[str, np.ndarray]:
        content = _unpickled(self._content("data.pkl"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds {_called(content)}; {_INSTEAD}")
        others = [name for name, value in content.items() if not isinstance(value, _Tensor)]
        if others:
            what = f"{excerpt(repr(others[0]), 80)} is {_called(content[others[0]])}, not a tensor"
            raise ValueError(f"it holds more than a state_dict: {what}; {_INSTEAD}")
        if not all(isinstance(name, str) for name in content):
            raise ValueError("a tensor has a name that is not a text")
        return {name: self._array(name, tensor) for name, tensor in content.items()}

    def _array(self, name: str, tensor: _Tensor) -> np.ndarray:
        """The tensor called `name`, copied from its storage."""
        said, (shape, strides) = f"tensor {excerpt(name, 80)!r}", (tensor.shape, tensor.strides)
        dtype = np.dtype(_DTYPES[tensor.storage.kind]).newbyteorder(">" if self._is_big else "<")
        elements = np.frombuffer(self._storage(tensor.storage, dtype.itemsize), dtype)
        last = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if 0 not in shape and tensor.begin + last >= len(elements):
            raise ValueError(f"{said} reaches beyond its storage")
        self._take(math.prod(shape) * 8)
        bytes_apart = [stride * dtype.itemsize for stride in strides]
        part = elements[tensor.begin :] if 0 not in shape else elements[:0]
        view = np.lib.stride_tricks.as_strided(part, shape, bytes_apart, writeable=False)
        if tensor.storage.kind == "BFloat16":
            return (view.astype(np.uint32) << 16).view(np.float32)
        if tensor.storage.kind == "Bool":
            return view != 0
        return view.astype(dtype.newbyteorder("="), order="C")

    def _storage(self, storage: _Storage, itemsize: int) -> bytes:
        if storage.key not in self._storages:
            try:
                self._storages[storage.key] = self._content(f"data/{storage.key}")
            except KeyError as error:
                raise ValueError(f"the storage {excerpt(storage.key, 80)!r} is not there") from error
        content = self._storages[storage.key]
        if len(content) != storage.elements * itemsize:
            said = f"the storage {excerpt(storage.key, 80)!r} has {len(content):,} bytes"
            wanted = f"its {storage.elements:,} elements need {storage.elements * itemsize:,}"
            raise ValueError(f"{said}, but {wanted}")
        return content

    def _take(self, size: int) -> None:
        """Count `size` more bytes of memory, or raise `ValueError` if they exceed the limit for this file's size."""
        self._left -= size
        if self._left < 0:
            raise ValueError(FAR_MORE)


def _called(value: object) -> str:
    named = ((_Tensor, "a single tensor"), (dict, "a dict"), (tuple, "a tuple"), (str, "a text"))
    return next((name for kind, name in named if isinstance(value, kind)), "something else")


# --- the pickle ------------------------------------------------------------------------------------------------------


def _unpickled(content: bytes) -> Any:
    """The content of a pickle of dicts, tuples, numbers, strings and tensors.

    Raises:
        ValueError: the pickle is damaged, or contains anything else.
    """
    machine = _Machine()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of wrong escapes in STRING
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in _PLAIN:
                machine.stack.append(argument)
            elif opcode.name in _CONSTANTS:
                machine.stack.append(_CONSTANTS[opcode.name])
            elif opcode.name in _ACTIONS:
                _ACTIONS[opcode.name](machine, argument)
            elif opcode.name not in ("PROTO", "FRAME", "STOP"):
                raise ValueError(f"its pickle has the opcode {opcode.name}, which no state_dict needs")
    if len(machine.stack) != 1 or machine.marks:
        raise ValueError("its pickle does not end with one value")
    return machine.stack[0]


class _Machine:
    """The state of pickle's virtual machine, with a method for each opcode."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def pop(self, kind: type | None = None) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("its pickle takes a value from an empty stack")
        value = self.stack.pop()
        if kind is not None and type(value) is not kind:
            raise ValueError("its pickle uses a value of the wrong type")
        return value

    def marked(self) -> list[Any]:
        """Remove the values since the last mark from the stack and return them."""
        if not self.marks:
            raise ValueError("its pickle takes values without a mark")
        begin = self.marks.pop()
        values, self.stack[begin:] = self.stack[begin:], []
        return values

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def keep(self, place: Any) -> None:
        value = self.pop()
        self.stack.append(value)
        self.memo[len(self.memo) if place is None else place] = value

    def recall(self, place: Any) -> None:
        if place not in self.memo:
            raise ValueError("its pickle reads a memo entry that it did not write")
        self.stack.append(self.memo[place])

    def name(self, _: Any) -> None:
        attribute, module = self.pop(str), self.pop(str)
        self.stack.append(_Name(f"{module} {attribute}"))

    def tuple_of(self, size: int) -> None:
        values = [self.pop() for _ in range(size)]
        self.stack.append(tuple(reversed(values)))

    def set_items(self, values: list[Any]) -> None:
        found = self.pop(dict)
        if len(values) % 2 or not all(isinstance(key, str | int) for key in values[::2]):
            raise ValueError("its pickle has a dict with unsupported keys")
        found.update(zip(values[::2], values[1::2], strict=True))
        self.stack.append(found)

    def build(self, _: Any) -> None:
        """Ignore attributes that the pickle sets on a dict, such as a state_dict's module versions."""
        self.pop()
        self.stack.append(self.pop(dict))

    def storage(self, _: Any) -> None:
        match self.pop():
            case ("storage", _Name(name), str(key), _, int(elements)) if _kind(name):
                self.stack.append(_Storage(_kind(name), key, elements))
            case ("storage", _Name(name), *_):
                raise ValueError(f"it has a storage of {excerpt(name, 80)}, which NumPy lacks")
            case _:
                raise ValueError("its pickle refers to something other than a storage")

    def call(self, _: Any) -> None:
        arguments, function = self.pop(tuple), self.pop(_Name)
        match function.name, arguments:
            case "collections OrderedDict", ():
                self.stack.append({})
            case "torch._utils _rebuild_tensor_v2", (_Storage(), int(), tuple(), tuple(), *_):
                self.stack.append(_tensor(*arguments[:4]))
            case "torch._utils _rebuild_parameter", (_Tensor() as tensor, *_):
                self.stack.append(tensor)
            case _:
                called = excerpt(function.name, 80)
                raise ValueError(f"reading it would call {called}, which lamina refuses; {_INSTEAD}")


def _kind(name: str) -> str:
    """The name of the dtype of a storage's elements, or "" for a dtype that NumPy lacks."""
    kind = name.removeprefix("torch ").removesuffix("Storage")
    return kind if name == f"torch {kind}Storage" and kind in _DTYPES else ""


def _tensor(storage: _Storage, begin: int, shape: tuple[Any, ...], strides: tuple[Any, ...]) -> _Tensor:
    numbers = (begin, *shape, *strides)
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
        raise ValueError("a tensor has a shape that NumPy can't hold")
    if not all(type(number) is int and 0 <= number < 1 << 48 for number in numbers):
        raise ValueError("a tensor has an impossible shape or offset")
    return _Tensor(storage, begin, shape, strides)


_PLAIN = {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_CONSTANTS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_ACTIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.marked())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.keep),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.recall),
    "GLOBAL": lambda machine, name: machine.stack.append(_Name(name)),
    "STACK_GLOBAL": _Machine.name,
    "BINPERSID": _Machine.storage,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.call),
    "BUILD": _Machine.build,
    "SETITEM": lambda machine, _: machine.set_items([*reversed([machine.pop(), machine.pop()])]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.marked()),
}
