"""Custom operators (`mx.operator.register`) as operators of symbols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.mxnet.operator import described
from lamina.mxnet.symbol._operator import Operator

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
