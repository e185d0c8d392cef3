"""Inference of the shapes and dtypes of a symbol's variables and outputs from those of some variables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.mxnet.symbol._custom import CustomOperator
from lamina.mxnet.symbol._operator import read_value
from lamina.mxnet.symbol.computing import Key, Step, key_of, planned
from lamina.mxnet.symbol.graph import TYPE_FLAGS, Node, Output, nodes_of
from lamina.nd.arithmetic import OF_TWO
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import array_of_shape, on_shapes_only

Shape = tuple[int, ...]


def shapes_of(node: Node, data: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shapes of a node's parameters and label, by input name, for a first input of shape `data`."""
    assert node.operator is not None
    values = node.values
    if isinstance(node.operator, CustomOperator):
        return node.operator.shapes_of_inputs(data)
    match node.operator.name:
        case "FullyConnected":
            width = math.prod(data[1:]) if values["flatten"] else data[-1]
            return {"weight": (values["num_hidden"], width), "bias": (values["num_hidden"],)}
        case "BatchNorm" | "LayerNorm":
            size = (data[values["axis"]],)
            return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_var"), size)
        case "InstanceNorm":
            return dict.fromkeys(("gamma", "beta"), (data[1],))
        case "GroupNorm":
            return dict.fromkeys(("gamma", "beta"), (values["num_groups"],))
        case "Embedding":
            return {"weight": (values["input_dim"], values["output_dim"])}
        case "LeakyReLU":
            return {"gamma": (data[1] if len(data) > 1 else 1,)}
        case "SoftmaxOutput" if values["multi_output"]:
            return {"label": (data[0], *data[2:])}
        case "SoftmaxOutput" | "SVMOutput" | "softmax_cross_entropy":
            return {"label": data[:-1]}
        case "LinearRegressionOutput" | "LogisticRegressionOutput" | "MAERegressionOutput":
            return {"label": data[:1] if len(data) == 2 and data[1] == 1 else data}
        case _:
            return {}


# --- shapes ------------------------------------------------------------------------------------------------------

_OF_ONE_SHAPE = {"add_n", *(f"{prefix}_{stem}" for stem in OF_TWO for prefix in ("elemwise", ""))}
"""Operators whose arrays have one shape."""


def inferred_shapes(heads: Sequence[Output], given: Mapping[str, Shape]) -> dict[Key, Shape]:
    """The shapes of those variables and outputs of nodes that follow from the shapes `given` by name."""
    found = {name: read_value(text, "shape") for name, text in _noted(heads, "__shape__").items()}
    found = {**{name: shape for name, shape in found.items() if 0 not in shape}, **given}
    arrays: dict[Key, NDArray] = {name: array_of_shape(shape) for name, shape in found.items()}
    steps, known = planned(heads), -1
    with on_shapes_only():
        while len(arrays) > known:
            known = len(arrays)
            for step in steps:
                if any(key not in arrays for key in (*step.inputs, *step.outputs)):
                    _infer_shapes(step, arrays)
    return {key: x.shape for key, x in arrays.items()}


def _noted(heads: Sequence[Output], key: str) -> dict[str, str]:
    """The attribute `key` of the variables that have it."""
    variables = [node for node in nodes_of(heads) if node.operator is None]
    return {node.name: node.attributes[key] for node in variables if key in node.attributes}


def _infer_shapes(step: Step, arrays: dict[Key, NDArray]) -> None:
    """Add to `arrays` those inputs and outputs of a step whose shapes follow from its other ones."""
    operator = step.node.operator
    assert operator is not None
    if operator.name in _OF_ONE_SHAPE:
        first = next((arrays[key] for key in (*step.inputs, *step.outputs) if key in arrays), None)
        shapes = {} if first is None else dict.fromkeys(step.inputs, first.shape)
    elif step.inputs and step.inputs[0] in arrays and not operator.is_variadic:
        named = shapes_of(step.node, arrays[step.inputs[0]].shape)
        names = operator.inputs(step.node.values)
        shapes = {key: named[x] for key, x in zip(step.inputs, names, strict=True) if x in named}
    else:
        shapes = {}
    arrays.update((key, array_of_shape(shape)) for key, shape in shapes.items() if key not in arrays)
    if any(key not in arrays for key in step.inputs):
        return
    inputs = [arrays[key] for key in step.inputs]
    if isinstance(operator, CustomOperator):
        results = list(map(array_of_shape, operator.shapes_of_outputs(inputs[0].shape)))
    else:
        results = step.compute(*inputs)
    arrays.update(zip(step.outputs, results, strict=True))


# --- dtypes ------------------------------------------------------------------------------------------------------

_OF_ANY_TYPE = {"indices", "index", "condition", "length", "shape_like"}
_OF_ANY_TYPE_IN = {"Embedding": "data", "reshape_like": "rhs", "broadcast_like": "rhs"}
"""Inputs whose dtype says nothing about that of the others, in all operators and in some."""

_FOLLOWING = {"label", "gamma", "beta", "moving_mean", "moving_var"}
"""Inputs that have the data's dtype unless they are given another."""


def inferred_types(heads: Sequence[Output], given: Mapping[str, Any]) -> dict[Key, Any]:
    """The dtypes, as classes of NumPy, of those variables and outputs that follow from the dtypes `given` by name.

    Raises:
        TypeError: an operator gets two dtypes where it takes one.
    """
    noted = _noted(heads, "__dtype__").items()
    found: dict[Key, Any] = {name: np.dtype(TYPE_FLAGS[int(flag)]).type for name, flag in noted}
    found.update((name, np.dtype(dtype).type) for name, dtype in given.items())
    nodes, known = [node for node in nodes_of(heads) if node.operator is not None], -1
    while len(found) > known:
        known = len(found)
        for node in nodes:
            _infer_types(node, found)
    return found


def _infer_types(node: Node, found: dict[Key, Any]) -> None:
    """Add to `found` those inputs and outputs of a node whose dtypes follow from its other ones."""
    operator, own = node.operator, node.values.get("dtype")
    assert operator is not None
    outputs: list[Key] = [(id(node), i) for i in range(node.outputs)]
    inputs = list(map(key_of, node.inputs))
    names = [""] * len(inputs) if operator.is_variadic else operator.inputs(node.values)
    if isinstance(operator, CustomOperator):
        names = ["", *["label"] * (len(inputs) - 1)]
    free = {*_OF_ANY_TYPE, _OF_ANY_TYPE_IN.get(operator.name)}
    following = [key for key, name in zip(inputs, names, strict=True) if name in _FOLLOWING]
    tied = [key for key, name in zip(inputs, names, strict=True) if name not in free | _FOLLOWING]
    if own is not None or operator.name in ("shape_array", "size_array"):
        found.update(dict.fromkeys(outputs, np.dtype(own or "int64").type))
        tied = [*tied, *outputs] if operator.name == "Embedding" else []
    else:
        tied += outputs
    types = {found[key]: None for key in tied if key in found}
    if len(types) > 1:
        said = " and ".join(dtype.__name__ for dtype in types)
        raise TypeError(f"node {node.name!r} ({operator.name}) needs arrays of one dtype, not {said}")
    for dtype in types:
        found.update(dict.fromkeys(tied, dtype))
        is_exact = operator.name == "BatchNorm" and dtype is np.float16
        for key in following:
            found.setdefault(key, np.float32 if is_exact else dtype)
