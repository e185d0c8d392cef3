"""Custom operators (`mx.operator.register`) as operators of symbols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.mxnet.operator import described
from lamina.mxnet.symbol._operator import Operator


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

    def outputs(self, values: Mapping[str, Any]) -> int:
        return len(self._described.list_outputs())

    def shapes_of_inputs(self, data: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """The shapes of all inputs and states, from that of the first input."""
        unknown = [[] for _ in self._described.list_arguments()[1:]]
        inputs, _, states = (*self._described.infer_shape([list(data), *unknown]), ())[:3]
        shapes = [tuple(shape) for shape in (*inputs, *states)]
        return dict(zip(self.arrays, shapes, strict=True))
