"""Reductions of a vector's lanes, in an order that depends on the number of lanes only."""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.llvm._arithmetic import Arithmetic
from lamina.compiler.llvm.values import BOOL, Operand, Value

__all__ = ["Reductions"]


class Reductions(Arithmetic):
    """Reductions of vectors, and changes of their number of lanes."""

    def reduce(self, vector: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """Combine all lanes into one: neighbours with each other, until one lane is left.

        A last lane without a neighbour waits for the next round.
        """
        if vector.lanes == 1:
            return vector
        count, last = (vector.lanes + 1) // 2, vector.lanes - 1
        even = self.shuffle(vector, None, [2 * lane for lane in range(count)])
        odd = self.shuffle(vector, None, [min(2 * lane + 1, last) for lane in range(count)])
        pairs = combine(even, odd)
        if vector.lanes % 2:
            pairs = self.shuffle(pairs, even, [*range(count - 1), 2 * count - 1])
        return self.reduce(pairs, combine)

    def reduce_add(self, vector: Value) -> Value:
        return self.reduce(vector, self.add)

    def reduce_max(self, vector: Value) -> Value:
        return self.reduce(vector, self.maximum)

    def reduce_all(self, mask: Value) -> Value:
        """Whether all lanes of a mask hold."""
        if mask.lanes == 1:
            return mask
        function = f"llvm.vector.reduce.and.v{mask.lanes}i1"
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
