"""What other people's tools say of the code: NVIDIA's assembler of PTX, Khronos' validator of SPIR-V."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assembled import assembled
from examples_of_primitives import EXAMPLES
from graphs import capture
from pairwise import pairwise as pairs_of
from same_values import arguments

from lamina import autograd, nd
from lamina.compiler.gpu.target import written_for
from lamina.core.array import Array
from lamina.core.primitive import REGISTRY, bind
from lamina.device.interface import Limits

LARGE_DEVICE = Limits("", 1024, 132, has_float64=True, has_float16=True)
COMPILED = sorted(
    n for n, p in REGISTRY.items() if p.lowering is not None and n in EXAMPLES and n != "to_context"
)
PARTS = 6


def all_of(names: list[str], dtype: Any) -> tuple[Any, list[Any]]:
    """A function of the first example of each of these primitives, and its arrays."""
    calls = [(REGISTRY[n], arguments(e, dtype), e.params) for n in names for e in EXAMPLES[n][:1]]
    arrays = [x for _, xs, _ in calls for x in xs if isinstance(x, Array)]
    return (lambda *_: [bind(p, *xs, **params) for p, xs, params in calls]), arrays


def training_step(batch: int, sizes: tuple[int, ...]) -> tuple[Any, list[Any]]:
    X, y = nd.zeros((batch, sizes[0])), nd.zeros((batch,))
    params = [nd.zeros(s) for a, b in pairwise(sizes) for s in ((a, b), (b,))]
    for p in params:
        p.attach_grad()

    def step(X: Any, y: Any, *params: Any) -> Any:
        with autograd.record():
            h = X
            for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
                h = nd.relu(nd.dot(h, w) + b)
            loss = -nd.sum(nd.one_hot(y, 10) * nd.log_softmax(nd.dot(h, params[-2]) + params[-1]), axis=1)
        loss.backward()
        for p in params:
            p[:] = p - 0.1 * p.grad
        return nd.mean(loss)

    return step, [X, y, *params]


@pytest.mark.parametrize(
    ("dtype", "architecture"),
    [(np.float32, "sm_90"), pytest.param(np.float64, "sm_80", marks=pytest.mark.slow)],
)
def test_ptx_of_every_primitive(dtype: Any, architecture: str) -> None:
    assembled(*all_of(COMPILED, dtype), architecture)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [pytest.param("sm_80", marks=pytest.mark.slow), "sm_90"])
def test_ptx_of_the_chapters_step(architecture: str) -> None:
    step = assembled(*training_step(64, (784, 256, 256, 10)), architecture)
    assert len(step.schedule.stages) == 6
    assert step.registers <= 128
    assert (
        "fence.acq_rel.gpu" in step.text or "membar.gl" in step.text
    )  # between the parts of a sum and who adds them


@pytest.mark.few(3)
@pairs_of(
    inner=[300, 301],
    transposes=[(False, False), (True, False), (False, True), (True, True)],
    architecture=["sm_80", "sm_90"],
)
def test_ptx_of_large_products(inner: int, transposes: tuple[bool, bool], architecture: str) -> None:
    """Copies are under way while others are multiplied; two blocks have room on a multiprocessor."""
    x, w = nd.zeros((2400, inner)), nd.zeros((inner, 2401 if inner % 2 else 2400))

    def layer(x: Any, w: Any) -> Any:
        return nd.tanh(nd.dot(x, w, transpose_a=transposes[0], transpose_b=transposes[1]))

    stored = [one.T if is_transposed else one for one, is_transposed in zip((x, w), transposes, strict=True)]
    found = assembled(layer, stored, architecture)
    assert "128" in repr(found.schedule.stages[0].tasks[0].how)
    assert found.registers <= 128
    assert "cp.async.ca.shared.global" in found.text
    in_fours = transposes[0] or (not transposes[1] and inner == 300)
    assert ("cp.async.cg.shared.global" in found.text) == in_fours
    assert "ld.shared.v4" in found.text
    assert not re.search(r"atom\S*\.f(32|64)", found.text)


@pytest.mark.parametrize(
    ("precision", "instruction"),
    [
        ("float32", "fma.rn.f32"),
        pytest.param("tf32", "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", marks=pytest.mark.slow),
        ("bfloat16", "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"),
    ],
)
def test_ptx_of_a_wide_step(precision: Any, instruction: str) -> None:
    """Products of all three forms, by whole tiles; one computes an operand itself."""
    x, pixels = nd.zeros((4096, 2048)), nd.zeros((4096, 784), dtype=np.uint8)
    w, v = nd.zeros((2048, 2048)), nd.zeros((784, 2048))

    def layers(x: Any, w: Any, pixels: Any, v: Any) -> Any:
        first = nd.dot(pixels.astype("float32") / 255, v)
        return nd.relu(nd.dot(x, w)), nd.dot(x, w, transpose_b=True), nd.dot(x, first, transpose_a=True)

    found = assembled(layers, [x, w, pixels, v], "sm_80", precision)
    assert all(
        task.how.tile.precision == precision for stage in found.schedule.stages for task in stage.tasks
    )
    assert found.registers <= 128
    assert ("cp.async.cg.shared.global" in found.text) == (precision == "float32")
    assert ("ld.global.v4.f32" in found.text) == (precision != "float32")
    assert instruction in found.text


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [pytest.param("sm_80", marks=pytest.mark.slow), "sm_90"])
def test_ptx_of_a_step_of_whole_tiles(architecture: str) -> None:
    """With biases, activations and updates; terms are written out four at a time."""
    found = assembled(*training_step(4096, (2048, 2048, 2048, 10)), architecture)
    assert found.registers <= 128
    assert found.text.count("fma.rn.f32") >= 4 * 64


@pytest.fixture(scope="module")
def validator() -> str:
    found = shutil.which("spirv-val")
    if found is None:
        pytest.skip("NOT TESTED: validating SPIR-V, without spirv-val (Debian: spirv-tools)")
    return found


def validated(validator: str, function: Any, arrays: list[Any], folder: Path) -> None:
    file = folder / "code.spv"
    file.write_bytes(written_for(capture(function, *arrays), "spirv", LARGE_DEVICE).code())
    done = subprocess.run(
        [validator, "--target-env", "opencl2.2", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("part", range(PARTS))
def test_spirv_of_every_primitive(part: int, validator: str, tmp_path: Path) -> None:
    for dtype in (np.float32, np.float64):
        validated(validator, *all_of(COMPILED[part::PARTS], dtype), tmp_path)


def test_spirv_of_the_chapters_step(validator: str, tmp_path: Path) -> None:
    validated(validator, *training_step(64, (784, 256, 256, 10)), tmp_path)


@pytest.mark.slow
def test_an_id_that_is_defined_twice_is_noticed() -> None:
    """LLVM writes such modules now and then; each definition is given the id of the one before."""
    from lamina.compiler.gpu._dialects import has_unique_ids

    step, arrays = training_step(8, (5, 4, 10))
    code = written_for(capture(step, *arrays), "spirv", LARGE_DEVICE).code()
    assert has_unique_ids(code)
    words = np.frombuffer(code, "<u4")
    starts, at = [], 5
    while at < len(words):
        starts.append(at)
        at += int(words[at]) >> 16
    adds = [start for start in starts if words[start] & 0xFFFF == 128]  # OpIAdd
    assert len(adds) > 1
    for one, other in list(pairwise(adds))[::8]:
        damaged = words.copy()
        damaged[other + 2] = words[one + 2]
        assert not has_unique_ids(damaged.tobytes())
