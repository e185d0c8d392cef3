"""Choice of a product's orientation: A · B as written, or the transpose of Bᵀ · Aᵀ.

With fewer columns than a vector has lanes, the other lanes are wasted. The transposed product has full vectors along
the rows of the result. If both operands are contiguous along the inner dimension, vectors along this dimension are
possible, too (see `_lane_sums`). A simple model of a core estimates which is faster, with the cost of copies and of
strided access to the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property

from lamina.compiler.cpu._lane_sums import lane_cycles
from lamina.compiler.cpu._matrix_product import MatrixProduct
from lamina.compiler.cpu.machine import Machine, target_machine
from lamina.compiler.llvm import DType
from lamina.compiler.passes.graph import Node
from lamina.compiler.passes.simplify import is_short

_APART_CYCLES = 1.5
"""Cycles to store a result element whose vector is not contiguous in memory."""
_COPY_CYCLES = 2.0
"""Cycles to copy an element transposed, in a separate kernel."""


def product_shape(product: Node) -> MatrixProduct:
    """The product for which code is generated; its operands are swapped if it is computed as a transpose."""
    left, right = product.inputs
    shape = _Shape.of(product)
    if product.params["transpose_a"] and product.params["transpose_b"]:  # see `lay_out_products`
        turned = replace(shape.turned(), left_strides=(shape.inner, 1), by_columns=True)
        return replace(turned, left_is_short=is_short(right))
    if is_turned(product):
        return shape.turned(right_is_transposed=product.params["transpose_b"], sums_lanes=shape.sums_lanes)
    return replace(shape.plain, left_is_short=is_short(left))


def is_turned(product: Node) -> bool:
    """Whether a product A · B is computed as the transpose of Bᵀ · Aᵀ, with vectors along the rows of the result."""
    if product.params["transpose_b"]:
        return True
    return not is_short(product.inputs[0]) and _Shape.of(product).is_faster_turned


def wants_transposed_right(product: Node) -> bool:
    """Whether a product is faster if its right operand is contiguous along the inner dimension.

    Always false if the left operand is not contiguous along this dimension.
    """
    if product.params["transpose_a"] or is_short(product.inputs[0]):
        return False
    return _Shape.of(product).wants_transposed_right(has_it=product.params["transpose_b"])


@dataclass(frozen=True)
class _Shape:
    """The inputs of the orientation decision. `left_along` is true if A is contiguous along the inner dimension."""

    machine: Machine
    dtype: DType
    rows: int
    inner: int
    columns: int
    left_along: bool
    is_batched: bool

    @classmethod
    def of(cls, product: Node) -> _Shape:
        along = not product.params["transpose_a"]
        rows, columns = product.shape[-2:]
        inner = product.inputs[0].shape[-1 if along else -2]
        return _known(target_machine(), product.dtype, rows, inner, columns, along, len(product.shape) > 2)

    @cached_property
    def plain(self) -> MatrixProduct:
        """The product as written, with vectors along the columns."""
        strides = (self.inner, 1) if self.left_along else (1, self.rows)
        return MatrixProduct(
            self.rows, self.inner, self.columns, self.dtype, strides, self.columns, self.machine
        )

    def turned(self, right_is_transposed: bool = False, sums_lanes: bool = False) -> MatrixProduct:
        """The transposed product, (columns, inner) · (inner, rows).

        `right_is_transposed` is true if the original right operand is contiguous along the inner dimension.
        """
        along = right_is_transposed or self.columns == 1  # a single column has the memory layout of a row
        return MatrixProduct(
            self.columns,
            self.inner,
            self.rows,
            self.dtype,
            (self.inner, 1) if along else (1, self.columns),
            self.inner if self.left_along else self.rows,
            self.machine,
            right_is_transposed=self.left_along,
            sums_lanes=sums_lanes,
        )

    @cached_property
    def is_faster_turned(self) -> bool:
        """Whether the transposed product is faster with the operands' present layout."""
        return self._is_narrow and (self.sums_lanes or self._turned_cycles < self.plain.cycles)

    def wants_transposed_right(self, *, has_it: bool) -> bool:
        """Whether the right operand should be contiguous along the inner dimension.

        `has_it` is true if the operand already is.
        """
        if self.sums_lanes:
            return True
        return has_it and self._is_narrow and self._turned_cycles < self.plain.cycles + self._copy_cycles

    @cached_property
    def sums_lanes(self) -> bool:
        """Whether vectors along the inner dimension are fastest, even if the right operand must be copied.

        The cost of the copy always counts, since otherwise results would depend on the operand's layout.

        Which vectors are fastest depends on the number of rows, and vectors along the inner dimension add in another
        order. So the bits of a row could change with the number of rows computed together. This is accepted only in
        batches of matrices, and never with `independent_rows`.
        """
        may_be = self.machine.may_reorder_sums and self.is_batched
        if not (may_be and self._is_narrow and self.left_along):
            return False
        along = (
            lane_cycles(self.machine, self.dtype, self.columns, self.inner, self.rows) + self._apart_cycles
        )
        return along + self._copy_cycles < min(self.plain.cycles, self._turned_cycles)

    @property
    def _is_narrow(self) -> bool:
        """Whether there are fewer columns than vector lanes, and the product needs no blocks."""
        fits = 0 < self.columns < min(self.machine.lanes(self.dtype), self.rows) and self.inner > 0
        return fits and self.plain.is_whole

    @property
    def _turned_cycles(self) -> float:
        """The cycles of the transposed product; infinite if it transposes panels larger than the first-level cache."""
        turned = self.turned()
        if turned.panel_bytes > self.machine.l1_bytes // 2 and turned.right_is_transposed:
            return math.inf
        return turned.cycles + self._apart_cycles

    @property
    def _apart_cycles(self) -> float:
        return self.rows * self.columns * _APART_CYCLES if self.columns > 1 else 0.0

    @property
    def _copy_cycles(self) -> float:
        return self.columns * self.inner * _COPY_CYCLES if self.columns > 1 else 0.0


_known = cache(_Shape)
