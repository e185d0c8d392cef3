"""NVIDIA's assembler has registers enough for products on tensor cores, whatever their shape and what follows them.

A few of them in the suite; all of them by `make fuzz`, for every architecture.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from assembled import assembled

from lamina import nd

WHOLE, FOURS, ODD = (2048, 2048, 2048), (2400, 300, 2400), (2401, 301, 2403)
SHAPES = [
    WHOLE, FOURS, ODD, (4096, 784, 2048), (4100, 2052, 2052), (4096, 2048, 2050),
    (1024, 8192, 1024), (1023, 8190, 1001),
]  # fmt: skip
"""Rows, terms and columns: of whole tiles, of whole fours, of neither; the last two with sums in parts."""
TRANSPOSES = [(a, b) for a in (False, True) for b in (False, True)]
EPILOGUES: dict[str, Callable[..., Any]] = {
    "nothing": lambda product, bias, other: product,
    "bias and relu": lambda product, bias, other: nd.relu(product + bias),
    "residual": lambda product, bias, other: product + other,
    "gradient of relu": lambda product, bias, other: product * (other > 0),
    "update": lambda product, bias, other: other - 0.1 * (product + 1e-4 * other),
    "two results": lambda product, bias, other: (product, nd.sigmoid(product + bias)),
    "pixels": lambda product, bias, other: product,
    "gathered pixels": lambda product, bias, other: product,
}
"""What follows a product; the left operand of the last two is computed, from integers."""
FORMS = list(product(SHAPES, TRANSPOSES, EPILOGUES))
SAMPLE = [
    (FOURS, (False, True), "nothing"),
    (FOURS, (True, False), "pixels"),
    (ODD, (False, True), "residual"),
    (ODD, (True, True), "update"),
    (ODD, (True, False), "gathered pixels"),
    ((4096, 2048, 2050), (True, True), "bias and relu"),
    ((1024, 8192, 1024), (False, False), "update"),
    ((1023, 8190, 1001), (True, False), "two results"),
]
ALL = "LAMINA_FUZZ_PROGRAMS" in os.environ


def layer(shape: tuple[int, int, int], transposes: tuple[bool, bool], epilogue: str) -> tuple[Any, list[Any]]:
    rows, terms, columns = shape
    dtype = np.uint8 if "pixels" in epilogue else np.float32
    left = nd.zeros((terms, rows) if transposes[0] else (rows, terms), dtype=dtype)
    right = nd.zeros((columns, terms) if transposes[1] else (terms, columns))

    numbers = nd.zeros(left.shape[:1], dtype=np.int32)

    def function(left: Any, right: Any, numbers: Any, *others: Any) -> Any:
        if "gathered" in epilogue:
            left = nd.take(left, numbers)
        if "pixels" in epilogue:
            left = left.astype("float32") / 255
        found = nd.dot(left, right, transpose_a=transposes[0], transpose_b=transposes[1])
        return EPILOGUES[epilogue](found, *others)

    return function, [left, right, numbers, nd.zeros((columns,)), nd.zeros((rows, columns))]


@pytest.mark.parametrize("precision", [pytest.param("tf32", marks=pytest.mark.slow), "bfloat16"])
def test_no_form_spills(precision: Any) -> None:
    """... nor uses memory of a thread's own, nor memory of which it is not known which it is."""
    failures: list[str] = []
    for number, form in enumerate(FORMS if ALL else SAMPLE):
        function, arrays = layer(*form)
        for architecture in ("sm_80", "sm_90") if ALL else ("sm_80", "sm_90")[number % 2 :][:1]:
            try:
                found = assembled(function, arrays, architecture, precision)
                assert found.registers <= 128  # two blocks a multiprocessor
                (stage,) = found.schedule.stages
                assert [task.how.tile.precision for task in stage.tasks] == [precision]
            except AssertionError as error:
                failures.append(f"{form} {architecture}: {error}")
    assert not failures, "\n\n".join([*failures, f"{len(failures)} forms"])
