"""Converts settings that were attributes in older opsets and are inputs in newer ones: all become inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.interchange._graph import Node

__all__ = ["REDUCTIONS", "arguments"]

REDUCTIONS = (
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    "ReduceLogSum", "ReduceLogSumExp",
)  # fmt: skip

_MOVED: dict[str, tuple[str, ...]] = {
    "Squeeze": ("axes",),
    "Unsqueeze": ("axes",),
    "Slice": ("starts", "ends", "axes"),
    "Clip": ("min", "max"),
    "Split": ("split",),
    "Dropout": ("ratio",),
    **dict.fromkeys(REDUCTIONS, ("axes",)),
}
"""By operator: the attributes that became inputs, which follow the first input."""


def arguments(node: Node, inputs: Sequence[Any]) -> list[Any]:
    """The inputs in the newest opset's order; omitted ones are None."""
    names = _MOVED.get(node.op, ())
    if not any(name in node.attributes for name in names):
        return list(inputs)
    found = list(inputs[:1])
    for name in names:
        value = node.attributes.get(name)
        if isinstance(value, list):
            found.append(np.array(node.integers(name), np.int64))
        else:
            found.append(None if value is None else np.asarray(node.number(name, 0.0), np.float64))
    return found
