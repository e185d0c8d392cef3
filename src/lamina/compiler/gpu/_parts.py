"""Sums in parts, one per block: the last block to finish adds the other blocks' parts from memory."""

from __future__ import annotations

from lamina.compiler.gpu._scope import DeviceScope
from lamina.compiler.llvm import INT32, Value

COUNTER_BYTES = 4


def rounded(nbytes: int) -> int:
    """Bytes rounded up to a multiple of the devices' alignment."""
    return -(-nbytes // 256) * 256


def is_done_last(scope: DeviceScope, number: Value, parts: int) -> Value:
    """Whether all other parts of this number are done and visible; all threads of the block get the same answer.

    The last block sees everything this block has stored. The counter is then reset to 0.
    """
    b = scope.b
    b.fence()
    with b.shared_again():
        cell = b.shared(INT32, 1)
        b.barrier()
        with b.if_(b.equal(scope.thread, 0)):
            counter = b.offset(scope.counters, number, INT32)
            before = b.count_up(counter)
            b.store(cell, before)
            with b.if_(b.equal(before, parts - 1)):
                b.store(counter, b.const(0, INT32))
        b.barrier()
        is_last = b.equal(b.load(cell, INT32), parts - 1)
        b.barrier()
    b.fence()
    return is_last
