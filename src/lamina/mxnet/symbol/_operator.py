"""The operators of symbol nodes (`OPERATORS`), with the names and types of their arguments.

Each line of ``operators.txt`` declares an operator: its name, its arrays (with ``*`` for any number of arrays), and its
other arguments with type and default. ``aliases.txt`` lists other names of operators.
tools/compare_mxnet/declare_operators.py generates both files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.mxnet.operator import described
from lamina.support.argument_checks import no_argument
from lamina.support.messages import closest, excerpt

_MOST_SIZES = 1024
_LONGEST = 20_000
"""Longest attribute, in characters."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}L?")
_TRUTHS = {"True": True, "true": True, "1": True, "False": False, "false": False, "0": False}
_TYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")


def read_value(text: str, kind: str) -> Any:
    """Parse the text of an attribute.

    Args:
        text: the string in the file.
        kind: the type: ``int``, ``float``, ``bool``, ``str``, ``dtype``, ``shape`` (integers or None), or choices
            ``a|b|c``; a trailing question mark allows None.

    Raises:
        ValueError: the string is not a value of this type.

    >>> read_value("(2, -1, None)", "shape"), read_value("None", "int?"), read_value("0.5", "float")
    ((2, -1, None), None, 0.5)
    """
    if len(text) > _LONGEST:
        raise ValueError(f"{len(text):,} characters, at most {_LONGEST:,} are read")
    if kind.endswith("?"):
        if text == "None":
            return None
        kind = kind[:-1]
    reader = _READERS.get(kind)
    return _choice(text, kind.split("|")) if reader is None else reader(text.strip())


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f"{excerpt(text, 40)!r} is not a whole number")
    return int(text.removesuffix("L"))


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{excerpt(text, 40)!r} is not a number") from None
    return int(value) if math.isfinite(value) and value == int(value) and "." not in text else value


def _choice(text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise ValueError(
            f"{excerpt(text, 40)!r} is none of {', '.join(known)}.{closest(text[:40], known)}".rstrip(".")
        )
    return text


def _truth(text: str) -> bool:
    return _TRUTHS[_choice(text, list(_TRUTHS))]


def _shape(text: str) -> tuple[int | None, ...]:
    """Parse a shape, such as ``(2, 3)`` or ``[2, 3]``, or a single number."""
    if text[:1] not in ("(", "["):
        return (_integer(text),)
    if text[-1:] != {"(": ")", "[": "]"}[text[0]]:
        raise ValueError(f"{excerpt(text, 40)!r} is not a shape")
    inside = [part.strip() for part in text[1:-1].split(",")]
    if inside[-1] == "":  # () and (2,)
        inside.pop()
    if len(inside) > _MOST_SIZES:
        raise ValueError(f"a shape of {len(inside):,} numbers; at most {_MOST_SIZES:,} are allowed")
    return tuple(None if part == "None" else _integer(part) for part in inside)


_READERS: dict[str, Any] = {
    "int": _integer,
    "float": _number,
    "bool": _truth,
    "str": str,
    "shape": _shape,
    "dtype": lambda text: _choice(text, _TYPES),
}


def written_value(value: Any, kind: str) -> str:
    """The text of a value in files, from which `read_value` returns the value.

    Raises:
        ValueError: the value does not have the type `kind`.

    >>> written_value([2, 3], "shape"), written_value(np.float32, "dtype"), written_value(0, "bool")
    ('(2, 3)', 'float32', 'False')
    """
    text = _text(value, kind.removesuffix("?"))
    read = read_value(text, kind)
    return str(read) if kind.removesuffix("?") == "bool" else text


def _text(value: Any, kind: str) -> str:
    if value is None:
        return "None"
    if kind == "dtype":
        return np.dtype(value).name
    if kind == "shape" and isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        sizes = [None if size is None else int(size) for size in value]
        return str(tuple(sizes))
    if isinstance(value, np.generic):
        value = value.item()
    if kind == "bool" and value in (0, 1):
        return str(bool(value))
    return str(value)


_AUXILIARY = {"BatchNorm": ("moving_mean", "moving_var")}
"""The inputs of each operator that are auxiliary states, not arguments."""

_WITH_TWO_OUTPUTS = ("moments", "_linalg_gelqf", "_linalg_slogdet", "_linalg_syevd")


class Operator:
    """The declaration of an operator.

    Attributes:
        name: the operator's name in files.
        arrays: the names of the operator's input arrays.
        is_variadic: whether the operator takes any number of arrays.
        kinds: the types of the other arguments by name, in order; see `read_value`.
        defaults: the default values of optional arguments, as strings.
        arguments: the names of all arguments, arrays included, in order.
        auxiliary: the names of the arrays that the operator changes in training.
        output_names: the names of the outputs, or () for ``output``, or ``output0``, ``output1`` …
    """

    def __init__(self, declared: str) -> None:
        self.name, *arguments = declared.split(" ")
        self.arrays = tuple(argument.removeprefix("*") for argument in arguments if ":" not in argument)
        self.is_variadic = any(argument.startswith("*") for argument in arguments)
        self.kinds: dict[str, str] = {}
        self.defaults: dict[str, str] = {}
        for argument in arguments:
            name, colon, described = argument.partition(":")
            if colon:
                self.kinds[name], equals, default = described.partition("=")
                if equals:
                    self.defaults[name] = default
        self.arguments = tuple(argument.removeprefix("*").partition(":")[0] for argument in arguments)
        self.auxiliary = _AUXILIARY.get(self.name, ())
        self.output_names = ("loss",) if self.name == "make_loss" else ()

    def values(self, attributes: Mapping[str, str]) -> dict[str, Any]:
        """The values of all arguments except arrays, from a node's attributes and the defaults.

        Raises:
            DataError: an attribute is missing, unknown, or of the wrong type.
        """
        unknown = next((n for n in attributes if n not in self.kinds and not n.startswith("__")), None)
        if unknown is not None and unknown != "num_args":
            raise DataError(
                f"it has no attribute {excerpt(unknown, 40)!r}.{closest(unknown[:40], self.kinds)}"
            )
        found: dict[str, Any] = {}
        for name, kind in self.kinds.items():
            text = attributes.get(name, self.defaults.get(name))
            if text is None:
                if name == "num_args":
                    continue
                raise DataError(f"its attribute {name} is missing")
            try:
                found[name] = read_value(text, kind)
            except ValueError as error:
                raise DataError(f"its attribute {name}: {error}") from error
        return found

    def texts(self, values: Mapping[str, Any]) -> dict[str, str]:
        """A node's attributes as strings for these values, the inverse of `values`."""
        unknown = next((name for name in values if name not in self.kinds), None)
        if unknown is not None:
            raise no_argument(self.name, unknown, self.arguments)
        try:
            return {name: written_value(value, self.kinds[name]) for name, value in sorted(values.items())}
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    def inputs(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The names of a node's input arrays for these values, for example without `bias` if `no_bias`."""
        skipped = set[str]()
        if values.get("no_bias"):
            skipped.add("bias")
        if self.name == "LeakyReLU" and values["act_type"] != "prelu":
            skipped.add("gamma")
        for length in ("length", "sequence_length"):
            if length in self.arrays and not values[f"use_{length}"]:
                skipped.add(length)
        return tuple(name for name in self.arrays if name not in skipped)

    def outputs(self, values: Mapping[str, Any]) -> int:
        """The number of a node's outputs for these values, without MXNet's hidden outputs."""
        if self.name == "SliceChannel":
            return max(1, values["num_outputs"])
        if self.name == "_split_v2":
            return max(1, values["sections"] or len(values["indices"]))
        if self.name in _WITH_TWO_OUTPUTS or values.get("ret_typ") == "both" or values.get("get_prob"):
            return 2
        return 3 if values.get("output_mean_var") else 1


def _lines(name: str) -> list[str]:
    return Path(__file__).with_name(name).read_text("utf-8").splitlines()


def _operators() -> dict[str, Operator]:
    found = {line.partition(" ")[0]: Operator(line) for line in _lines("operators.txt")}
    aliases = [line.split(" ") for line in _lines("aliases.txt")]
    return {**{alias: found[name] for alias, name in aliases}, **found}


OPERATORS = _operators()
"""Operators by name, with all of MXNet's names for each operator."""

_OF_PICTURES = ("Convolution", "Deconvolution", "Pooling", "UpSampling", "LRN", "ROIPooling", "Crop")


def operator_called(name: str) -> Operator:
    """The operator called `name`.

    Raises:
        DataError: the operator is unsupported.
    """
    found = OPERATORS.get(name)
    if found is not None:
        return found
    said = "lamina reads dense networks, and has no such operator"
    if name.startswith(_OF_PICTURES):
        said = "lamina has no convolutions, pooling or other operators on images; it reads dense networks"
    elif name == "RNN":
        said = "lamina has no fused recurrent layers; it reads dense networks"
    elif name.startswith(("_np", "_npi_", "_npx_")):
        said = "lamina reads no operators of mx.np; export the network without npx.set_np()"
    raise DataError(f"{said}.{closest(name[:60], OPERATORS)}")


def inputs_named(operator: Operator, values: Mapping[str, Any], given: Sequence[Any]) -> dict[str, Any]:
    """The inputs `given` of a node, by name.

    Raises:
        DataError: the operator takes another number of inputs.
    """
    names = operator.inputs(values)
    if len(given) != len(names):
        raise DataError(f"it has {len(given)} inputs, but needs {len(names)}: {', '.join(names) or 'none'}")
    return dict(zip(names, given, strict=True))


# --- custom operators (`mx.operator.register`) ------------------------------------------------------------------------

Shape = tuple[int, ...]


class CustomOperator(Operator):
    """A registered custom operator with its settings, which are texts in files.

    Raises:
        DataError: no operator is registered as `op_type`.
    """

    def __init__(self, op_type: str, settings: Mapping[str, Any]) -> None:
        self._described = described(op_type, settings)
        states = self._described.list_auxiliary_states()
        declared = [*self._described.list_arguments(), *states, *(f"{x}:str" for x in ("op_type", *settings))]
        super().__init__(" ".join(["Custom", *declared]))
        self.auxiliary = tuple(states)
        self.output_names = tuple(self._described.list_outputs())

    def outputs(self, values: Mapping[str, Any]) -> int:
        return len(self.output_names)

    def shapes_of_inputs(self, data: Shape) -> dict[str, Shape]:
        """The shapes of all inputs and states, from that of the first input."""
        inputs, _, states = self._shapes(data)
        return dict(zip(self.arrays, (*inputs, *states), strict=True))

    def shapes_of_outputs(self, data: Shape) -> list[Shape]:
        """The shapes of the outputs, from that of the first input."""
        return self._shapes(data)[1]

    def _shapes(self, data: Shape) -> list[list[Shape]]:
        unknown: list[list[int]] = [[] for _ in self._described.list_arguments()[1:]]
        found = (*self._described.infer_shape([list(data), *unknown]), ())[:3]
        return [[tuple(shape) for shape in part] for part in found]
