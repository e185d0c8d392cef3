"""Execution of symbols by `planned`, which orders a symbol's nodes and finds a function of `lamina.nd` for each.

`inferred_shapes` and `inferred_types` follow the same steps from the shapes and dtypes of some variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina import nd
from lamina.core.state import state
from lamina.errors import DataError, LaminaError
from lamina.mxnet.symbol._operator import CustomOperator, read_value
from lamina.mxnet.symbol.graph import TYPE_FLAGS, Node, Output, nodes_of
from lamina.nd.elementwise import OF_TWO
from lamina.nd.ndarray import NDArray
from lamina.nd.shapes_only import array_of_shape, on_shapes_only

_WITHOUT_MEANING = {
    "num_args", "cudnn_off", "min_calib_range", "max_calib_range", "is_int", "sparse_grad", "forward_stype", "ctx",
    "use_length", "workspace",
}  # fmt: skip
"""Arguments without effect, about MXNet's execution or implied by the inputs."""

Computed = Callable[..., Any]
"""A function of arrays, with settings as keyword arguments."""


def _loss(trained: Computed, predicted: Computed) -> Computed:
    """An output layer, which needs the label only while its gradient is recorded."""

    def compute(data: NDArray, label: NDArray, **values: Any) -> NDArray:
        return trained(data, label, **values) if state.recording else predicted(data, values)

    return compute


def _softmax_output(data: NDArray, values: Mapping[str, Any]) -> NDArray:
    if values["multi_output"]:
        return nd.softmax(data, axis=1)
    if values["preserve_shape"] or data.ndim <= 2:
        return nd.softmax(data, axis=-1)
    return nd.reshape_like(nd.softmax(nd.flatten(data), axis=-1), data)


def _scalar(function: Computed, number_first: bool = False) -> Computed:
    if number_first:
        return lambda data, scalar: function(scalar, data)
    return lambda data, scalar: function(data, scalar)  # noqa: PLW0108 - it is called by names


def _made(function: Computed) -> Computed:
    return lambda shape, dtype, **value: function(shape or (1,), dtype=dtype, **value)


def _arange(
    start: float, stop: float | None, step: float, repeat: int, infer_range: bool, dtype: str
) -> NDArray:
    if stop is None:
        start, stop = 0, start
    return nd.arange(start, stop, step, repeat=repeat, dtype=dtype)


def _split_v2(data: NDArray, indices: tuple[int, ...], axis: int, squeeze_axis: bool, sections: int) -> Any:
    parts = sections if sections else list(indices[1:])
    return nd.split_v2(data, parts, axis=axis, squeeze_axis=squeeze_axis)


def _softmax(function: Computed) -> Computed:
    def compute(data: NDArray, length: NDArray | None = None, **values: Any) -> NDArray:
        if length is not None:
            values = {**values, "length": length, "use_length": True}
        if function is nd.softmin:
            return nd.softmax(-data, **values)
        return function(data, **values)

    return compute


def _arithmetic() -> dict[str, Computed]:
    found: dict[str, Computed] = {}
    for name, function in OF_TWO.items():
        for stem in (f"_{name}", f"elemwise_{name}", f"broadcast_{name}"):
            found[stem] = function
        found[f"_{name}_scalar"] = _scalar(function)
        found[f"_r{name}_scalar"] = _scalar(function, number_first=True)
    found["_plus_scalar"] = found["_add_scalar"]
    found["_minus_scalar"], found["_rminus_scalar"] = found["_sub_scalar"], found["_rsub_scalar"]
    return found


def _reshape(data: NDArray, shape: Any, reverse: bool, target_shape: Any, keep_highest: bool) -> NDArray:
    if not shape and target_shape:  # in files of MXNet before 0.9
        shape = (0, *target_shape[1:]) if keep_highest else target_shape
    return nd.reshape(data, shape=shape, reverse=reverse)


_COMPUTED: dict[str, Computed] = {
    **_arithmetic(),
    "_copy": nd.identity,
    "amp_cast": nd.cast,
    "Cast": nd.cast,
    "_zeros": _made(nd.zeros),
    "_ones": _made(nd.ones),
    "_full": lambda shape, value, dtype: nd.full(shape, value, dtype=dtype),
    "_eye": lambda N, M, k, dtype: nd.eye(N, M, k, dtype=dtype),
    "_arange": _arange,
    "_split_v2": _split_v2,
    "Reshape": _reshape,
    "softmax": _softmax(nd.softmax),
    "log_softmax": _softmax(nd.log_softmax),
    "softmin": _softmax(nd.softmin),
    "SoftmaxOutput": _loss(nd.SoftmaxOutput, _softmax_output),
    "LinearRegressionOutput": _loss(nd.LinearRegressionOutput, lambda data, _: data),
    "MAERegressionOutput": _loss(nd.MAERegressionOutput, lambda data, _: data),
    "LogisticRegressionOutput": _loss(nd.LogisticRegressionOutput, lambda data, _: nd.sigmoid(data)),
}


def _function_of(name: str) -> Computed:
    """The function of `lamina.nd` with an operator's name in files."""
    if name.startswith("_contrib_"):
        return getattr(nd.contrib, name.removeprefix("_contrib_"))
    if name.endswith("_like") and name.startswith("_random_"):
        return getattr(nd.random, name.removeprefix("_random_"))
    return getattr(nd, name.removeprefix("_np").removeprefix("_"))


def _computation(node: Node) -> Callable[..., Sequence[NDArray]]:
    """The function that computes a node's outputs from its inputs.

    Raises:
        DataError: lamina does not support the operator with the node's arguments.
    """
    operator, values = node.operator, node.values
    assert operator is not None
    if values.get("output_mean_var"):
        raise DataError(f"node {node.name!r} ({operator.name}): output_mean_var=True is not supported")
    function = _COMPUTED.get(operator.name) or _function_of(operator.name)
    given = {name: value for name, value in values.items() if name not in _WITHOUT_MEANING}

    def compute(*arrays: NDArray) -> Sequence[NDArray]:
        try:
            found = function(*arrays, **given)
        except LaminaError as error:
            raise type(error)(f"node {node.name!r} ({operator.name}): {error}") from error
        return found if isinstance(found, list | tuple) else (found,)

    return compute


# --- the order ---------------------------------------------------------------------------------------------------

Key = str | tuple[int, int]
"""The key of a value during execution, a variable's name or a node with the position of its output."""


class Step(NamedTuple):
    """The execution of a node.

    Attributes:
        node: the node.
        compute: the function from inputs to outputs.
        inputs, outputs: the keys of the node's inputs and outputs.
        finished: the keys of values that no later step reads.
    """

    node: Node
    compute: Callable[..., Sequence[NDArray]]
    inputs: tuple[Key, ...]
    outputs: tuple[Key, ...]
    finished: tuple[Key, ...]


def key_of(output: Output) -> Key:
    """The key of an output's value, which is a variable's name or a pair of node and position."""
    node, i = output
    return node.name if node.operator is None else (id(node), i)


def planned(heads: Sequence[Output]) -> list[Step]:
    """The steps that compute the outputs `heads`, in order.

    Raises:
        DataError: an operator is unsupported.
    """
    kept = set(map(key_of, heads))
    steps: list[Step] = []
    for node in reversed(nodes_of(heads)):
        if node.operator is None:
            continue
        inputs = tuple(map(key_of, node.inputs))
        outputs = tuple(key_of((node, i)) for i in range(node.outputs))
        finished = {*inputs, *outputs} - kept
        steps.append(Step(node, _computation(node), inputs, outputs, tuple(finished)))
        kept |= finished
    return steps[::-1]


def evaluated(heads: Sequence[Output], arrays: Mapping[str, NDArray]) -> list[NDArray]:
    """The values of the outputs `heads`, computed from an array for each variable.

    Raises:
        ValueError: a variable has no array.
    """
    missing = next((n.name for n in nodes_of(heads) if n.operator is None and n.name not in arrays), None)
    if missing is not None:
        raise ValueError(f"the variable {missing!r} has no array; there are {', '.join(arrays) or 'none'}")
    return run(planned(heads), {**arrays}, heads)


Seen = Callable[[str, NDArray], object]
"""A function that is called with names and values of outputs, as monitors are."""


def run(
    steps: Sequence[Step], values: dict[Key, NDArray], heads: Sequence[Output], seen: Seen | None = None
) -> list[NDArray]:
    """The values of the outputs `heads`; `seen` is called with the name and value of each step's outputs."""
    kept = {**values}
    for step in steps:
        results = step.compute(*[kept[key] for key in step.inputs])
        kept.update(zip(step.outputs, results, strict=True))
        if seen is not None:
            for name, x in zip(step.node.output_names(), results, strict=True):
                seen(name, x)
        for key in step.finished:
            del kept[key]
    return [kept[key_of(head)] for head in heads]


# --- shapes and dtypes of variables and outputs -----------------------------------------------------------------------

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
