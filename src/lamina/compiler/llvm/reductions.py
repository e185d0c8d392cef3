"""Reductions of a vector's lanes, in an order that depends on the number of lanes only."""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.llvm.arithmetic import Arithmetic
from lamina.compiler.llvm.values import BOOL, Operand, Value

__all__ = ["Reductions"]


class Reductions(Arithmetic):
    """Reductions of vectors, and changes of their number of lanes."""

    def reduce(self, vector: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """Combine all lanes into one: the upper half onto the lower half until one lane is left.

        An odd lane is set aside and combined last.
        """
        if vector.lanes == 1:
            return vector
        half = vector.lanes // 2
        lower = self.shuffle(vector, None, list(range(half)))
        upper = self.shuffle(vector, None, list(range(half, 2 * half)))
        result = self.reduce(combine(lower, upper), combine)
        return combine(result, self.extract(vector, vector.lanes - 1)) if vector.lanes % 2 else result

    def reduce_add(self, vector: Value) -> Value:
        return self.reduce(vector, self.add)

    def reduce_mul(self, vector: Value) -> Value:
        return self.reduce(vector, self.mul)

    def reduce_max(self, vector: Value) -> Value:
        return self.reduce(vector, self.maximum)

    def reduce_min(self, vector: Value) -> Value:
        return self.reduce(vector, self.minimum)

    def reduce_any(self, mask: Value) -> Value:
        return self._reduce_mask("or", mask)

    def reduce_all(self, mask: Value) -> Value:
        return self._reduce_mask("and", mask)

    def _reduce_mask(self, operation: str, mask: Value) -> Value:
        if mask.lanes == 1:
            return mask
        function = f"llvm.vector.reduce.{operation}.v{mask.lanes}i1"
        self.module.declare(f"declare i1 @{function}({mask.type})")
        return self.result(f"call i1 @{function}({mask.typed})", BOOL)

    def narrow(self, vector: Value, lanes: int, first: int = 0) -> Value:
        """`lanes` neighbouring lanes of a vector."""
        if lanes == vector.lanes:
            return vector
        return self.shuffle(vector, None, list(range(first, first + lanes)))

    def widen(self, value: Value, lanes: int, fill: Operand) -> Value:
        """A vector of more lanes; the new ones hold `fill`: a tail joins a whole vector's accumulator."""
        if value.lanes == lanes:
            return value
        filler = self.splat(self.match(fill, value)[0], value.lanes)
        if value.lanes == 1:
            return self.gather_lanes([value] + [filler] * (lanes - 1))
        picks = [lane if lane < value.lanes else value.lanes for lane in range(lanes)]
        return self.shuffle(value, filler, picks)
