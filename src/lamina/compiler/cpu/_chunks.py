"""Consecutive kernels over the same rows, run chunk by chunk, so that a kernel finds its operands in the cache.

Between kernels without a barrier, each thread accesses only its own rows. So one thread can act for several: it runs
all of the kernels for its first chunk, then for the next. The kernels' functions don't change: their number of threads
is multiplied by the number of chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamina.compiler.cpu._products import matrix_product_of
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.plan import Plan, bytes_touched

_PART_OF_CACHE = 4
"""A chunk takes at most 1 / _PART_OF_CACHE of the second-level cache, which holds other data, too."""
_MOST_STEPS = 1 << 14  # of a partition, so that its split points stay below 2³¹
_MOST_CHUNKS = 64


@dataclass(frozen=True)
class Group:
    """Neighbouring kernels of a plan, by number, which each thread runs in `chunks` chunks of its share."""

    start: int
    stop: int
    chunks: int


def groups_of(plan: Plan, strand: range, cache_bytes: int) -> list[Group]:
    """A strand's kernels in groups, mostly of one kernel each; chunks are used only where they keep data in
    the cache.
    """
    groups: list[Group] = []
    start = strand.start
    for stop in range(strand.start + 1, strand.stop + 1):
        if stop == strand.stop or not _goes_on(plan, plan.kernels[start], plan.kernels[stop]):
            groups.append(Group(start, stop, _chunks(plan, plan.kernels[start:stop], cache_bytes)))
            start = stop
    return groups


def _goes_on(plan: Plan, first: Kernel, kernel: Kernel) -> bool:
    """Whether a kernel can join a group that `first` begins."""
    if kernel in plan.barriers or plan.partitions[kernel] != plan.partitions[first]:
        return False
    return _may_be_cut(plan, first) and _may_be_cut(plan, kernel)


def _may_be_cut(plan: Plan, kernel: Kernel) -> bool:
    """Whether a kernel can run in chunks: its shares are small parts of its rows, and it uses no memory per thread."""
    partition = plan.partitions[kernel]
    steps = -(-partition.extent // partition.step)
    if partition.kind != "rows" or steps > _MOST_STEPS:
        return False
    return kernel.kind != "product" or not matrix_product_of(kernel).scratch_bytes


def _chunks(plan: Plan, kernels: Sequence[Kernel], cache_bytes: int) -> int:
    if len(kernels) == 1:
        return 1
    nbytes = sum(bytes_touched(kernel, plan) for kernel in kernels)
    if nbytes <= cache_bytes // 2:
        return 1
    partition = plan.partitions[kernels[0]]
    steps = -(-partition.extent // partition.step)
    return min(-(-nbytes * _PART_OF_CACHE // cache_bytes), steps, _MOST_CHUNKS)
