"""All supported ONNX operators, by domain and name, and the computation of a node."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from lamina.interchange._arguments import arguments
from lamina.interchange._elementwise import ELEMENTWISE
from lamina.interchange._graph import ML, Node
from lamina.interchange._known import computed
from lamina.interchange._layers import LAYERS
from lamina.interchange._movement import MOVEMENT
from lamina.interchange._of_sklearn import OF_SKLEARN
from lamina.interchange._values import Value

__all__ = ["OPERATORS", "apply", "require_supported"]

OPERATORS: dict[tuple[str, str], Callable[..., Any]] = {
    **{("", name): function for name, function in (ELEMENTWISE | LAYERS | MOVEMENT).items()},
    **{(ML, name): function for name, function in OF_SKLEARN.items()},
}
"""Functions from a node and its input values to a value or a tuple of values, by domain and name."""


def require_supported(node: Node) -> None:
    """Raise `DataError` for an unsupported operator, or for inputs that it doesn't take."""
    function = OPERATORS.get((node.domain, node.op))
    if function is None:
        raise node.error("lamina imports dense networks, and has no such operator")
    try:
        inspect.signature(function).bind(node, *arguments(node, node.inputs))
    except TypeError as error:
        raise node.error(f"it has {len(node.inputs)} inputs: {error}") from error


def apply(node: Node, inputs: Sequence[Value]) -> tuple[Value, ...]:
    """The values of a node's outputs.

    Raises:
        DataError: it computes fewer outputs than it declares.
    """
    known = computed(node, inputs)
    if known is None:
        found = OPERATORS[node.domain, node.op](node, *arguments(node, inputs))
        known = found if isinstance(found, tuple) else (found,)
    if any(node.outputs[len(known) :]):
        raise node.error(f"it has {len(node.outputs)} outputs; lamina makes {len(known)} of them")
    return known
