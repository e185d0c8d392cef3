"""Nodes of a graph that are one node in ONNX: activations, layer normalization, and all that is linear.

What a form looks like in a graph is not written down here: a pattern is the graph of lamina's own function for the
shape at hand, with certain numbers in the place of its settings (`_Example`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from lamina import nd
from lamina.compiler.front.graphs import graph_of
from lamina.compiler.passes.graph import Constant, Input, Node
from lamina.core.primitive import Primitive
from lamina.export._onnx_emission import Emission, Pattern
from lamina.nd.ndarray import NDArray

__all__ = ["PATTERNS"]

_SETTINGS = (0.7310585786300049, 0.2689414213699951, 0.0474258731775668)
"""Numbers that no function of lamina has in it: where a pattern has one of them, a setting stands."""

Form = Callable[..., NDArray]
Emit = Callable[[Emission, list[Node], list[float]], str]
"""Of an emission, what stands for the arrays, and the settings."""


class _Example:
    """A pattern that looks like a function.

    Args:
        function: of an array as large as the result, further arrays, and settings.
        emit: what stands for it in ONNX.
        settings: how many there are.
        others: the shapes of the further arrays for a shape of the result.
        of_doubles: whether ONNX Runtime knows it for float64.
    """

    def __init__(
        self,
        function: Form,
        emit: Emit,
        settings: int = 0,
        others: Callable[[tuple[int, ...]], list[tuple[int, ...]]] = lambda shape: [],
        of_doubles: bool = False,
    ) -> None:
        self._function, self._emit, self._others = function, emit, others
        self._settings, self._of_doubles = _SETTINGS[:settings], of_doubles
        self._graph = cache(self._traced)

    def __call__(self, e: Emission, node: Node) -> str | None:
        if node.dtype.kind != "f" or not node.shape or (node.dtype == np.float64 and not self._of_doubles):
            return None
        root = self._graph(node.shape, node.dtype)
        match = _Match(e, self._settings)
        if not match.fits(root, node):
            return None
        arrays = [match.arrays[slot] for slot in sorted(match.arrays)]
        return self._emit(e, arrays, [match.settings[value] for value in self._settings])

    def _traced(self, shape: tuple[int, ...], dtype: np.dtype) -> Node:
        arrays = [nd.zeros(one, dtype=dtype) for one in (shape, *self._others(shape))]
        return graph_of(lambda *given: self._function(*given, *self._settings), arrays).graph.results[0]


class _Match:
    """A pattern laid on a graph: which nodes stand for its arrays, and which numbers for its settings."""

    def __init__(self, e: Emission, settings: Sequence[float]) -> None:
        self._e, self._wanted = e, settings
        self.arrays: dict[int, Node] = {}
        self.settings: dict[float, float] = {}

    def fits(self, pattern: Node, node: Node) -> bool:
        """Whether they are the same, but for arrays and settings."""
        if isinstance(pattern.op, Input):
            same_type = (pattern.shape, pattern.dtype) == (node.shape, node.dtype)
            return same_type and self.arrays.setdefault(pattern.op.slot, node) is node
        if isinstance(pattern.op, Constant):
            return isinstance(node.op, Constant) and self._same_number(pattern, float(node.op.value))
        if (
            not isinstance(pattern.op, Primitive)
            or pattern.op is not node.op
            or pattern.params != node.params
        ):
            return False
        return len(pattern.inputs) == len(node.inputs) and all(map(self.fits, pattern.inputs, node.inputs))

    def _same_number(self, pattern: Node, value: float) -> bool:
        assert isinstance(pattern.op, Constant)
        for setting in self._wanted:
            if pattern.op.value == np.asarray(setting, pattern.dtype).item():
                return self.settings.setdefault(setting, value) == value
        return pattern.op.value == value


def _one(op: str, *names: str) -> Emit:
    """A node of ONNX whose attributes are the settings."""
    return lambda e, arrays, settings: e.add(
        op, *map(e.tensor, arrays), **dict(zip(names, settings, strict=True))
    )


def _mish(e: Emission, arrays: list[Node], settings: list[float]) -> str:
    x = e.tensor(arrays[0])
    return e.add("Mul", x, e.add("Tanh", e.add("Softplus", x)))


def _prelu(e: Emission, arrays: list[Node], settings: list[float]) -> str:
    """ONNX aligns the slopes with the last axes, lamina with axis 1."""
    x, slopes = arrays
    shape = (-1, *[1] * (len(x.shape) - 2))
    known = e.known(slopes)
    aligned = e.reshaped(e.tensor(slopes), shape) if known is None else e.graph.constant(known.reshape(shape))
    return e.add("PRelu", e.tensor(x), aligned)


def _layer_norm_of(x: NDArray, gamma: NDArray, beta: NDArray, epsilon: float) -> NDArray:
    return nd.LayerNorm(x, gamma, beta, eps=epsilon)


def _layer_norm(e: Emission, arrays: list[Node], settings: list[float]) -> str:
    return e.add("LayerNormalization", *map(e.tensor, arrays), axis=-1, epsilon=settings[0])


# --- linear maps -------------------------------------------------------------------------------------------------


class _Linear:
    """x · matrix + bias, in float64; a bias of None is 0."""

    def __init__(self, x: Node, matrix: np.ndarray, bias: np.ndarray | None = None) -> None:
        self.x, self.matrix, self.bias = x, matrix, bias

    def plus(self, vector: np.ndarray) -> _Linear:
        """With a vector added."""
        vector = np.broadcast_to(vector, self.matrix.shape[1:])
        return _Linear(self.x, self.matrix, vector if self.bias is None else self.bias + vector)

    def times(self, vector: np.ndarray) -> _Linear:
        """With every output multiplied."""
        return _Linear(self.x, self.matrix * vector, None if self.bias is None else self.bias * vector)


def _linear(e: Emission, node: Node) -> str | None:
    """A product of matrices, with all that is added to its columns, and that they or its inputs are multiplied with."""
    found = _as_linear(e, node) if node.dtype.kind == "f" and len(node.shape) == 2 else None
    if found is None:
        return None
    matrix = e.graph.constant(found.matrix, node.dtype)
    if found.bias is None:
        return e.add("MatMul", e.tensor(found.x), matrix)
    return e.add("Gemm", e.tensor(found.x), matrix, e.graph.constant(found.bias, node.dtype))


def _as_linear(e: Emission, node: Node) -> _Linear | None:
    """A node as a linear map, if it is one of fixed numbers."""
    if node.is_op("matmul") and not node.params["transpose_a"]:
        x, weight = node.inputs[0], e.known(node.inputs[1])
        if weight is None:
            return None
        matrix = (weight.T if node.params["transpose_b"] else weight).astype(np.float64)
        x, factor = _unscaled(e, x)
        return _Linear(x, matrix * np.reshape(factor, (-1, 1)))
    if not node.is_op("add", "subtract", "multiply", "divide"):
        return None
    first, second = node.inputs
    vector, first_vector = _row(e, second, node), _row(e, first, node)
    if first_vector is not None and node.is_op("add", "multiply"):
        first, vector = second, first_vector
    if vector is None or e.is_shared(first):
        return None
    found = _as_linear(e, first)
    if found is None:
        return None
    if node.is_op("add", "subtract"):
        return found.plus(vector if node.is_op("add") else -vector)
    return found.times(vector if node.is_op("multiply") else 1 / vector)


def _unscaled(e: Emission, x: Node) -> tuple[Node, Any]:
    """What is multiplied by a row of numbers, and the row."""
    if x.is_op("multiply", "divide") and not e.is_shared(x):
        vector = _row(e, x.inputs[1], x)
        if vector is not None and (vector.size == 1 or vector.size == x.shape[1]):
            return x.inputs[0], vector if x.is_op("multiply") else 1 / vector
    return x, 1.0


def _row(e: Emission, node: Node, result: Node) -> np.ndarray | None:
    """The same numbers, known, for each row of a matrix: (columns,) or (1,); float64."""
    value = e.known(node)
    if value is None or len(result.shape) != 2 or value.ndim > 2 or (value.ndim == 2 and len(value) != 1):
        return None
    return value.astype(np.float64).reshape(-1)


PATTERNS: list[Pattern] = [
    _linear,
    _Example(nd.selu, _one("Selu")),
    _Example(nd.softsign, _one("Softsign")),
    _Example(nd.mish, _mish),
    _Example(nd.hard_sigmoid, _one("HardSigmoid", "alpha", "beta"), 2),
    _Example(nd.leaky_relu, _one("LeakyRelu", "alpha"), 1, of_doubles=True),
    _Example(nd.elu, _one("Elu", "alpha"), 1),
    _Example(nd.prelu, _prelu, others=lambda shape: [(1,)], of_doubles=True),
    _Example(
        nd.prelu, _prelu, others=lambda shape: [shape[1:2]] if len(shape) > 1 else [(1,)], of_doubles=True
    ),
    _Example(_layer_norm_of, _layer_norm, 1, lambda shape: [shape[-1:]] * 2, of_doubles=True),
]
"""Tried in this order: what is larger comes first."""
