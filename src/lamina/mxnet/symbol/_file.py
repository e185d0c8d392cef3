"""Symbol files (``-symbol.json``), and pickled symbols, read in all versions of MXNet's format."""

from __future__ import annotations

import copyreg
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lamina.errors import DataError
from lamina.mxnet.symbol._operator import CustomOperator, Operator, inputs_named, operator_called
from lamina.mxnet.symbol.graph import Node, Output
from lamina.mxnet.symbol.nodes import Symbol
from lamina.support.files.foreign import opened
from lamina.support.files.limits import untrusted
from lamina.support.files.typed_json import decoded
from lamina.support.messages import excerpt

_MOST_NODES = 10_000
_LONGEST = 1 << 25
"""The largest file, in bytes; a network of ten thousand nodes needs a tenth of this size."""
_MOST_ELEMENTS = 1 << 28
"""The largest array, in elements, that a network may create from attributes alone."""

_Reference = list[int]


class _Node(msgspec.Struct, forbid_unknown_fields=True):
    """A node in a file, whose attributes are called ``attrs`` since MXNet 1.0, earlier ``attr`` or ``param``."""

    op: str
    name: str
    inputs: list[_Reference] = []
    attrs: dict[str, str] = {}
    attr: dict[str, str] = {}
    param: dict[str, str] = {}
    backward_source_id: int = -1
    control_deps: list[int] = []
    subgraphs: list[msgspec.Raw] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    nodes: list[_Node]
    heads: list[_Reference]
    arg_nodes: list[int] = []
    node_row_ptr: list[int] = []
    attrs: dict[str, msgspec.Raw] = {}


def read_symbol(path: str | os.PathLike[str]) -> Symbol:
    """Read the network in a file.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged, or has an unsupported operator; the one-line message names the node.
    """
    with opened(path, "a symbol file") as file:
        content = file.read(_LONGEST + 1)
    return symbol_of(content, os.fspath(path))


def symbol_of(content: str | bytes, source: str) -> Symbol:
    """Parse the text of a symbol file, called `source` in error messages."""
    if len(content) > _LONGEST:
        raise DataError(f"{source}: a symbol file has at most {_LONGEST >> 20} MiB")
    said = decoded(content, _File, f"{source} is not a symbol file", lenient=False)
    with untrusted(f"{source} can't be read"):
        try:
            return Symbol(_heads(said, _nodes(said)))
        except DataError as error:
            raise DataError(f"{source}: {error}") from error


def _reduced(symbol: Symbol) -> tuple[Any, ...]:
    """The pickled form of a symbol, its text."""
    return symbol_of, (symbol.tojson(), "a pickled symbol")


copyreg.pickle(Symbol, _reduced)


def _nodes(said: _File) -> list[Node]:
    if len(said.nodes) > _MOST_NODES:
        raise DataError(f"it has {len(said.nodes):,} nodes; at most {_MOST_NODES:,} are read")
    nodes: list[Node] = []
    variables: dict[str, int] = {}
    for place, each in enumerate(said.nodes):
        where = f"node {place} {excerpt(each.name, 80)!r} ({excerpt(each.op, 80)})"
        try:
            nodes.append(_node(each, nodes))
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        if each.op == "null" and variables.setdefault(each.name, place) != place:
            raise DataError(f"{where}: node {variables[each.name]} is a variable of the same name")
    return nodes


def _operator(name: str, attributes: Mapping[str, str]) -> Operator:
    """The operator called `name`; a custom one must be registered, and gets its settings."""
    if name != "Custom":
        return operator_called(name)
    settings = {key: x for key, x in attributes.items() if not key.startswith("__")}
    return CustomOperator(settings.pop("op_type", ""), settings)


def _node(each: _Node, before: list[Node]) -> Node:
    attributes = {**each.param, **each.attr, **each.attrs}
    if each.op == "null":
        if each.inputs:
            raise DataError("a variable takes no inputs")
        return Node(None, each.name, attributes)
    if each.subgraphs:
        raise DataError("it has subgraphs; lamina reads networks without control flow")
    operator = _operator(each.op, attributes)
    inputs = [_reference(given, before) for given in each.inputs]
    values = operator.values(_known(operator.kinds, attributes))
    _require_believable(values)
    node = Node(operator, each.name, _known(operator.kinds, attributes), inputs)
    # Files of MXNet before 0.9 don't list auxiliary states.
    if operator.name == "BatchNorm" and len(inputs) == 3:
        inputs += [(Node(None, f"{each.name}_{name}", {}), 0) for name in operator.auxiliary]
        node.inputs = tuple(inputs)
    if operator.is_variadic:
        claimed = attributes.get("num_args", str(len(inputs)))
        if claimed != str(len(inputs)) or not inputs:
            raise DataError(f"it has {len(inputs)} inputs, but num_args is {excerpt(claimed, 40)}")
    else:
        inputs_named(operator, node.values, inputs)
    return node


_GROWING = ("shape", "reps", "size", "pad_width", "repeats", "depth", "N", "M", "num_outputs", "sections")
"""Arguments that determine the size or number of created arrays."""


def _require_believable(values: Mapping[str, Any]) -> None:
    """Raise `DataError` if a node would create an array that is too large, before anything is allocated."""
    for name in _GROWING:
        value = values.get(name)
        sizes = [size for size in (value if isinstance(value, tuple) else (value,)) if isinstance(size, int)]
        most = _MOST_NODES if name in ("num_outputs", "sections") else _MOST_ELEMENTS
        if math.prod(size for size in sizes if size > 0) > most:
            raise DataError(f"its attribute {name} is too large for a dense network: {excerpt(value, 60)}")
    if "infer_range" in values:
        span = values["start"] if values["stop"] is None else values["stop"] - values["start"]
        count = abs(span) * values["repeat"] / (abs(values["step"]) or 1)
        if not count <= _MOST_ELEMENTS:
            raise DataError("it creates too many elements for a dense network")


def _known(kinds: dict[str, str], attributes: dict[str, str]) -> dict[str, str]:
    """The attributes except users' annotations, such as ``lr_mult``, which old files mix with attributes.

    An annotation stays if it is also an argument of the operator, i.e. in `kinds`.
    """
    return {name: text for name, text in attributes.items() if name in kinds or name not in _OF_USERS}


_OF_USERS = (
    "lr_mult", "wd_mult", "ctx_group", "force_mirroring", "weight_lr_mult", "bias_lr_mult", "mirror_stage",
)  # fmt: skip


def _reference(given: Sequence[int], before: list[Node]) -> Output:
    """Resolve a reference ``[node, output, …]`` in a file to an output of an earlier node."""
    if len(given) not in (2, 3):
        raise DataError(f"an input is [node, output] or [node, output, version], not {given[:4]}")
    place, output = given[:2]
    if not 0 <= place < len(before):
        raise DataError(f"node {place} does not come earlier in the file")
    if not 0 <= output < before[place].outputs:
        raise DataError(f"there is no output {output} of node {place}, which has {before[place].outputs}")
    return before[place], output


def _heads(said: _File, nodes: list[Node]) -> list[Output]:
    if not 0 < len(said.heads) <= _MOST_NODES:
        raise DataError(f"it has {len(said.heads):,} outputs; 1 to {_MOST_NODES:,} are read")
    try:
        return [_reference(head, nodes) for head in said.heads]
    except DataError as error:
        raise DataError(f"its outputs: {error}") from error
