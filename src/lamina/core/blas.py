"""NumPy's matrix products on one thread, which makes results reproducible and times independent of the machine's load.

A multithreaded BLAS adds in an order that depends on the number of threads. Its threads wait for each other by
spinning: if another process occupies a core, all wait until the delayed thread is scheduled, and a product takes ten
times as long. Products large enough for several cores are compiled, and compiled code has neither problem.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

import numpy as np

from lamina.core.interrupts import free_in_children
from lamina.core.threads import get_num_threads

_T = TypeVar("_T")
_Found = TypeVar("_Found")

_SHARED = 1 << 17  # multiply-adds from which a BLAS may use several threads for two matrices (OpenBLAS: 2¹⁸)
_SHARED_BY_VECTORS = 1 << 12  # the same for a matrix and a vector (OpenBLAS: 9216)

_NAMES = (
    ("scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_"),
    ("scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"),
    ("openblas_get_num_threads64_", "openblas_set_num_threads64_"),
    ("openblas_get_num_threads", "openblas_set_num_threads"),
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
    ("bli_thread_get_num_threads", "bli_thread_set_num_threads"),
)


@cache
def _control() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions that get and set the number of threads of NumPy's BLAS; None if it has no such functions."""
    try:  # a lookup in NumPy's library also finds the names of libraries linked to it
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # pyright: ignore[reportAttributeAccessIssue]
    except (AttributeError, OSError, TypeError):
        return None
    for get, put in _NAMES:
        if hasattr(library, get) and hasattr(library, put):
            return library[get], library[put]
    return None


class _OneThread:
    """A context in which NumPy's BLAS uses one thread, until the last Python thread has left it."""

    def __init__(self) -> None:
        self._lock = free_in_children(threading.RLock())
        self._inside = 0
        self._usual = 1

    def __enter__(self) -> None:
        control = _control()
        if control is None:
            return
        get, put = control
        with self._lock:
            if not self._inside:
                self._usual = get()
                if self._usual != 1:
                    put(1)
            self._inside += 1

    def __exit__(self, *_exception: object) -> None:
        control = _control()
        if control is None:
            return
        _, put = control
        with self._lock:
            self._inside -= 1
            if not self._inside and self._usual != 1:
                put(self._usual)


one_thread = _OneThread()
"""The context in which NumPy's BLAS uses one thread."""


def matmul(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`numpy.matmul`, computed by one thread."""
    rows, columns = left.shape[-2], right.shape[-1]
    shared = _SHARED if rows > 1 and columns > 1 else _SHARED_BY_VECTORS
    if rows * columns * left.shape[-1] < shared:
        return np.matmul(left, right)
    with one_thread:
        return np.matmul(left, right)


def apart(function: Callable[[_T], _Found], items: Iterable[_T]) -> list[_Found]:
    """The results of `function` for each item, computed by `get_num_threads()` threads, in which BLAS has one each.

    Threads share Python's lock, so that only NumPy's and SciPy's long operations gain. Each call sees the caller's
    context variables, such as NumPy's error handling.

    >>> apart(np.sum, [np.ones(3), np.ones(2)])
    [np.float64(3.0), np.float64(2.0)]
    """
    each = [*items]
    threads = min(get_num_threads(), len(each))
    with one_thread:
        # An executor takes no work once the main thread has ended, while other threads may go on.
        if threads < 2 or not threading.main_thread().is_alive():
            return [*map(function, each)]
        with ThreadPoolExecutor(threads, "lamina-products") as pool:
            contexts = [copy_context() for _ in each]
            return [*pool.map(lambda context, item: context.run(function, item), contexts, each)]
