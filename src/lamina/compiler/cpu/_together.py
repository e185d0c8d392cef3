"""Where threads gain by working together, and where each is better left alone."""

from __future__ import annotations

from lamina.compiler.passes.plan import Plan

__all__ = ["gain_together", "share_strands"]

_SMALL = 400_000
"""Fewer operations than this are done sooner by one thread than it takes to wake others and to wait for them."""
_BARRIER = 1_000_000
"""And so many for each barrier within: one takes about as long, with the cache lines that then change hands."""
_LARGE = 2_000_000
"""Operations a kernel, on average: with fewer, two threads do little more in the same time than one."""


def gain_together(operations: int, barriers: int) -> bool:
    """Whether a step of so many operations is done sooner by several threads."""
    return operations >= _SMALL + _BARRIER * barriers


def share_strands(plan: Plan) -> bool:
    """Whether all threads work on a strand where not each can have one."""
    return len(plan.strands) == 1 or sum(k.flops for k in plan.kernels) >= _LARGE * len(plan.kernels)
