"""Denormals are zero where training happens, and nowhere else."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.core import denormals
from lamina.core.denormals import flush_denormals, restore_denormals

needs_register = pytest.mark.skipif(
    denormals._register is None, reason="this processor or system has no such control"
)
_SMALLEST = np.full(16, 2.0**-126, np.float32)


def makes_denormals() -> bool:
    """Whether this thread now computes denormals; half of the smallest normal number is one."""
    return bool((_SMALLEST * np.float32(0.5)).any())


def leaf_and_loss():
    x = nd.array([1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = x * x
    return x, y


def test_limits_of_numpys_types_give_no_warning_inside_record():
    """NumPy 2.3 computes them when they are first asked for, as programs do for a small divisor."""
    program = (
        "import numpy as np; from lamina import autograd\nwith autograd.record(): print(np.finfo(float).eps)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{np.finfo(float).eps}\n", done.stderr


@needs_register
def test_flushed_between_flush_and_restore():
    saved = flush_denormals()
    inside = makes_denormals()
    restore_denormals(saved)
    assert not inside
    assert makes_denormals()


@needs_register
def test_nested_flush_leaves_restoring_to_the_outer_one():
    outer = flush_denormals()
    inner = flush_denormals()
    restore_denormals(inner)
    between = makes_denormals()
    restore_denormals(outer)
    assert inner is None
    assert not between
    assert makes_denormals()


@needs_register
def test_record_flushes_inside_only():
    with autograd.record():
        recording = makes_denormals()
        with autograd.pause():
            paused = makes_denormals()
        after_pause = makes_denormals()
    assert not (recording or paused or after_pause)
    assert makes_denormals()


@needs_register
def test_restored_when_the_block_raises():
    with pytest.raises(KeyError), autograd.record():
        raise KeyError
    assert makes_denormals()


@needs_register
def test_backward_flushes_gradients_and_restores():
    x = nd.array([2.0**-100])
    x.attach_grad()
    with autograd.record():
        y = x * 2.0**-100
    y.backward(nd.array([2.0**-30]))  # the gradient would be 2**-130
    assert x.grad.asscalar() == 0
    assert makes_denormals()


@needs_register
def test_restored_when_backward_raises():
    _, y = leaf_and_loss()
    y.backward()
    with pytest.raises(RuntimeError):
        y.backward()
    assert makes_denormals()


@needs_register
def test_a_running_thread_is_left_alone():
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(makes_denormals).result()
        with autograd.record():
            assert executor.submit(makes_denormals).result()


def test_rounding_and_results_are_otherwise_the_same():
    x, y = leaf_and_loss()
    y.backward()
    assert x.grad.asnumpy().tolist() == [2.0, 4.0]


def test_without_support_nothing_happens(monkeypatch):
    monkeypatch.setattr(denormals, "_register", None)
    saved = flush_denormals()
    assert saved is None
    assert makes_denormals()
    restore_denormals(saved)


def test_unknown_processors_are_left_alone(monkeypatch):
    monkeypatch.setattr(denormals.platform, "machine", lambda: "riscv64")
    assert denormals._working_register() is None
