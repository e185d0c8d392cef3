"""Random products for processors with small caches: right, and the same bits for any number of threads.

Small caches give small matrices what large ones have otherwise: blocks, packed panels, lists of columns that are not
zero, threads that share columns. Matrices end at pages that can't be touched. `make fuzz` tries more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from guarded_memory import guard_arrays, guarded
from processors import needs
from seeds import run_seeds

import lamina
from lamina import nd
from lamina.compiler.cpu._outline import Outline
from lamina.compiler.cpu.machine import compiling_for, named_machine

CACHES = ("l1=4K,l2=16K,l3=64K", "l1=8K,l2=64K,l3=256K", "l1=32K,l2=256K,l3=8M")
LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4", "native")
THREADS = (1, 2, 3, 5)
SECONDS = [1.5, pytest.param(20, marks=pytest.mark.slow)]
EPILOGUES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "nothing": lambda product, bias, other: product,
    "relu": lambda product, bias, other: nd.maximum(product + bias, 0),
    "update": lambda product, bias, other: other - product,
    "turned": lambda product, bias, other: nd.transpose(product),
    "long": lambda product, bias, other: (
        nd.abs(nd.minimum(nd.maximum(product + bias, -2) - other, 3) + bias) + 1
    ),
}
"""What follows a product. None makes an error larger."""


@pytest.fixture(autouse=True)
def threads_restored() -> Iterator[None]:
    before = lamina.get_num_threads()
    yield
    lamina.set_num_threads(before)


def check(seed: int, level: str) -> None:
    random = np.random.default_rng(seed)
    rows, inner, columns = (
        int(x) for x in np.exp(random.uniform(0, 6, 3)).astype(int) + random.integers(0, 3, 3)
    )
    dtype = np.dtype(random.choice(["float32", "float64"]))
    caches, epilogue = str(random.choice(CACHES)), str(random.choice([*EPILOGUES]))
    transposes = bool(random.integers(2)), bool(random.integers(2))
    what = f"seed {seed}: {rows} × {inner} × {columns} {dtype} {transposes} {epilogue} {level},{caches}"
    a, b = random.standard_normal((rows, inner)), random.standard_normal((inner, columns))
    a[:, random.random(inner) < random.choice([0, 0.3, 0.8])] = 0
    a[random.random(a.shape) < random.choice([0, 0.5])] = 0
    a[: rows // 2, inner // 2 :] *= random.integers(2)
    if inner and columns and not random.integers(4):
        b[random.integers(inner), random.integers(columns)] = random.choice([np.inf, np.nan])
    a, b, bias, other = (
        x.astype(dtype)
        for x in (a, b, random.standard_normal(columns), random.standard_normal((rows, columns)))
    )
    with np.errstate(invalid="ignore"):
        exact = a.astype(np.longdouble) @ b.astype(np.longdouble)
        bound = (inner + 8) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b).astype(np.longdouble) + 8)
        want = EPILOGUES[epilogue](*(nd.array(x, dtype="float64") for x in (exact, bias, other))).asnumpy()
    bound = bound.T if epilogue == "turned" else bound

    def function(x: Any, y: Any, bias: Any, other: Any) -> Any:
        product = nd.dot(x, y, transpose_a=transposes[0], transpose_b=transposes[1])
        return EPILOGUES[epilogue](product, bias, other)

    operands = a.T if transposes[0] else a, b.T if transposes[1] else b, bias, other
    arrays = [nd.from_numpy(guarded(x)) for x in operands]
    found: list[np.ndarray] = []
    with compiling_for(named_machine(f"{level},{caches}")):
        compiled = lamina.compile(function)
        for threads in THREADS:
            lamina.set_num_threads(threads)
            found.append(compiled(*arrays).asnumpy())
    for threads, one in zip(THREADS, found, strict=True):
        np.testing.assert_array_equal(one, found[0], err_msg=f"{what}, {threads} threads")
    is_finite = np.isfinite(bound) & np.isfinite(want)
    np.testing.assert_array_equal(np.isnan(found[0]), np.isnan(want), err_msg=what)
    assert (np.abs(found[0][is_finite] - want[is_finite]) <= bound[is_finite]).all(), what


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("level", LEVELS)
def test_random_products(level: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    if level != "native":
        needs(level)
    guard_arrays(monkeypatch)
    monkeypatch.setattr(Outline, "gains_by_threads", True)
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "0")
    with lamina.eager():
        run_seeds(lambda seed: check(seed, level), seconds)
