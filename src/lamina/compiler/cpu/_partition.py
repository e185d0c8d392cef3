"""The division of a kernel among threads: by rows or columns, never along a reduced axis."""

from __future__ import annotations

import math

from lamina.compiler.cpu._orientation import is_turned
from lamina.compiler.cpu._products import matrix_product_of
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.plan import Partition
from lamina.core.memory import LINE_BYTES

_ROW_STEP = 8
_BLOCK_BYTES = 32  # a block of random words fills four float64 or eight float32
_COLUMN_STEP = 64
_NARROW = 128
_TALL = 4


def partition_of(kernel: Kernel, updates: int) -> Partition:
    """The partition of a kernel.

    Products are split as in `_product_partition`, other kernels by rows if possible. `updates` is the number of arrays
    that the kernel updates in place, such as a weight and its moments.
    """
    if kernel.kind == "scatter":
        return Partition("serial")
    if kernel.kind == "fill":
        (node,) = kernel.stores
        return Partition("flat", -(-node.nbytes // _BLOCK_BYTES), 1)
    if kernel.kind == "product":
        if len(kernel.domain) != 2:
            return Partition("rows", kernel.domain[0], 1)
        return _product_partition(kernel, updates)
    if kernel.kind == "map":
        return _widest(kernel)
    kept = kernel.kept
    if not kept:
        return Partition("serial")
    if kernel.kind == "arg" or kernel.is_rowwise:
        return (
            Partition("rows", kept[0], _row_step(kernel, kept))
            if 0 not in kernel.reduced
            else Partition("serial")
        )
    last_is_kept = len(kernel.domain) - 1 not in kernel.reduced
    return Partition("columns", kept[-1], _COLUMN_STEP) if last_is_kept else Partition("serial")


def _product_partition(kernel: Kernel, updates: int) -> Partition:
    """The partition of a product, usually by columns, which keeps each thread's share of the weights in its cache.

    Two kinds of products are split by rows:

    * products of very many samples, because with a split by columns each thread would pack all samples;
    * products that update optimizer state as well as the weight. With a split by columns, the threads' shares of each
      row alternate in memory, and hardware prefetching into another thread's share takes its cache lines away. If
      each thread would also pack all rows, products that update only the weight are split by rows, too.
    """
    rows, columns = kernel.domain
    shape, turned = matrix_product_of(kernel), is_turned(kernel.main)
    row_step, column_step = shape.row_step, shape.column_step
    if turned:
        row_step, column_step = column_step, row_step
    packs_rows = shape.is_on_unit and not turned  # a thread that computes some columns packs all rows
    is_tall = rows >= _TALL * columns
    has_state = updates >= (1 if packs_rows else 2) and rows >= _NARROW
    if columns >= _NARROW and not is_tall and not has_state:
        return Partition("columns", columns, column_step)
    return Partition("rows", rows, row_step)


def _row_step(kernel: Kernel, shape: tuple[int, ...]) -> int:
    """The step of a partition by rows. It is 1 for batches of matrices that fill whole cache lines."""
    row_bytes = math.prod(shape[1:]) * min(node.dtype.itemsize for node in kernel.stores)
    return 1 if len(kernel.domain) > 2 and row_bytes % LINE_BYTES == 0 else _ROW_STEP


def _widest(kernel: Kernel) -> Partition:
    """A partition by rows, or by columns if there are few rows."""
    domain = kernel.domain
    if len(domain) == 0:
        return Partition("serial")
    if len(domain) > 1 and domain[0] < _ROW_STEP < domain[-1]:
        return Partition("columns", domain[-1], _COLUMN_STEP)
    return Partition("rows", domain[0], _row_step(kernel, domain) if len(domain) > 1 else _COLUMN_STEP)
