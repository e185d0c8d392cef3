"""Random programs on threads that are simulated one after the other. That they equal eager ones: `tests/fuzz`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from random_programs import Program
from simulated_threads import simulated_step

import lamina


@pytest.mark.parametrize("seed", range(30))
def test_no_thread_needs_what_another_one_does_before_a_barrier(seed: int) -> None:
    program = Program(seed)
    compiled = lamina.compile(program.world()["program"], keep_gradients=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled(*program.arguments(0))
    for entry in compiled._entries.values():
        if any(entry.step.buffers()[slot] is None for slot in entry.step.used_slots):
            continue  # arrays overlap, so that it ran eagerly
        alone = simulated_step(entry, [0])
        for order in ([0, 1, 2], [2, 1, 0], [1, 0]):
            for one, many in zip(alone, simulated_step(entry, order), strict=True):
                np.testing.assert_array_equal(one, many)
