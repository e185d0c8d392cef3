"""Execution of symbols by `planned`, which orders a symbol's nodes and finds a function of `lamina.nd` for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lamina import nd
from lamina.core.state import state
from lamina.errors import DataError, LaminaError
from lamina.mxnet.symbol.graph import Node, Output, nodes_of
from lamina.nd.arithmetic import OF_TWO
from lamina.nd.ndarray import NDArray

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


def _computation(node: Node) -> Callable[..., Sequence[NDArray]]:
    """The function that computes a node's outputs from its inputs.

    Raises:
        DataError: lamina does not support the operator with the node's arguments.
    """
    operator, values = node.operator, node.values
    assert operator is not None
    if values.get("output_mean_var"):
        raise DataError(f"node {node.name!r} ({operator.name}): output_mean_var=True is not supported")
    stem = operator.name.removeprefix("_np").removeprefix("_")
    function = _COMPUTED.get(operator.name) or getattr(nd, stem)
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


def run(
    steps: Sequence[Step],
    values: dict[Key, NDArray],
    heads: Sequence[Output],
    seen: Callable[[str, NDArray], object] | None = None,
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
