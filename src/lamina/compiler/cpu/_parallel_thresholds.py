"""Thresholds on the work of a step from which multithreading pays."""

from __future__ import annotations

from lamina.compiler.passes.plan import Plan, bytes_touched

_SMALL = 400_000
"""Below this number of operations, one thread finishes sooner than it could wake others and wait for them."""
_BARRIER = 1_500_000
"""The work that takes as long as a barrier with its transfers of cache lines."""
_LARGE = 2_000_000
"""The mean work of a kernel below which two threads are hardly faster than one."""
_BYTE = 2
"""The operations of a product that take as long as reading or writing a byte."""


def work_of(plan: Plan) -> int:
    """The estimated time of a plan's kernels, expressed as operations that a matrix product executes in that time."""
    return sum(kernel.flops + _BYTE * bytes_touched(kernel, plan) for kernel in plan.kernels)


def gain_together(operations: int, work: int, barriers: int) -> bool:
    """Whether several threads execute a step faster than one.

    `operations` is the step's arithmetic, `work` its estimated time (see `work_of`), `barriers` the number of barriers.
    """
    return operations >= _SMALL and work >= _BARRIER * barriers


def share_strands(plan: Plan, work: int) -> bool:
    """Whether all threads work together on the strands that remain after each thread has had an equal number.

    Strands are independent sets of kernels (see `_steps`).
    """
    return len(plan.strands) == 1 or work >= _LARGE * len(plan.kernels)
