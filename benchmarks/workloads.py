"""What is measured, by whom, and what is asked of lamina."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from tasks import Precision, Task

__all__ = ["WORKLOADS", "Goal", "Workload"]


@dataclass(frozen=True)
class Goal:
    """The most that a contestant may take: seconds, or a multiple of what the fastest of some others takes."""

    most: float
    of: tuple[str, ...] = ()
    """The others; none: `most` is in seconds."""
    contestant: str = "lamina"


@dataclass(frozen=True)
class Workload:
    """A table of measurements: what is done, by whom, on what."""

    title: str
    contestants: tuple[str, ...]
    """Modules of `contestants`, without the underscore; ``name@other`` does the workload `other`, to compare with."""
    task: Task
    work: str
    """The key of the contestants' factories."""
    flops: Callable[[Task], float] | None = Task.training_flops
    goals: tuple[Goal, ...] = ()
    calls: int = 1
    """So many calls are one measurement, which is divided by them."""
    per_step: bool = False
    """Whether the time of a step is reported rather than of all steps together."""
    device: Literal["cpu", "gpu"] = "cpu"
    """Where everybody computes."""
    process: Literal["lasting", "cold", "warm"] = "lasting"
    """One process for all turns, or a new one for each: with no cache on disk, or with that of an earlier process."""


_FRAMEWORKS = ("lamina", "torch", "torch_compile", "jax", "tinygrad", "numpy")
_PEERS = ("torch", "torch_compile", "jax", "tinygrad", "sklearn")
_COMPILERS = ("lamina", "torch_compile", "jax", "tinygrad")
_SEED = Task((784, 256, 256, 10), batch_size=64, examples=60_000)
_ADAM = Task((784, 256, 256, 10), batch_size=64, examples=60_000, optimizer="adam")
_WIDE = Task((2048,) * 5, batch_size=512, examples=1024, lr=1e-7)
_WIDE_GPU = Task((2048,) * 5, batch_size=4096, examples=16_384, lr=1e-7)
_GPU_PEERS = ("torch_compile", "jax")
_IRIS = Task((4, 128, 128, 3), batch_size=256, examples=150)
_SMALL = Task((20, 64, 64, 1), batch_size=32, examples=32_000, lr=1e-4)


def _wide_in(precision: Precision) -> Workload:
    """The goal is 0.8 of cuBLAS's speed through PyTorch, in the same precision."""
    return Workload(
        f"the same, products in {precision}",
        ("lamina", "torch", "torch_compile", "jax"),
        replace(_WIDE_GPU, precision=precision),
        "epoch",
        per_step=True,
        goals=(Goal(1.25, ("torch",)),),
        device="gpu",
    )


WORKLOADS = {
    "epoch": Workload(
        "an epoch of MNIST, 784-256-256-10, batch 64, SGD, data in memory, reshuffled",
        (*_FRAMEWORKS, "sklearn"),
        _SEED,
        "epoch",
        goals=(Goal(0.5, _PEERS),),
    ),
    "dense": Workload(
        "the same on random pixels, of which none is zero",
        (*_FRAMEWORKS, "sklearn"),
        replace(_SEED, dense=True),
        "epoch",
    ),
    "loop": Workload(
        "an epoch of the chapter's Python loop: one call a batch, its loss read",
        (*_FRAMEWORKS, "sklearn"),
        _SEED,
        "loop",
        goals=(Goal(0.7, _PEERS),),
    ),
    "plain": Workload(
        "the same loop as it stands in the chapter, without a decorator",
        ("lamina_plain", "torch", "lamina@loop"),
        _SEED,
        "loop",
        goals=(
            Goal(0.55, ("torch",), "lamina_plain"),
            Goal(1.5, ("lamina@loop",), "lamina_plain"),
        ),
    ),
    "evaluate": Workload(
        "the chapter's evaluate_accuracy as it stands, over 60,000 digits",
        ("lamina_plain", "torch", "lamina"),
        _SEED,
        "evaluate",
        flops=None,
        goals=(
            Goal(0.55, ("torch",), "lamina_plain"),
            Goal(1.5, ("lamina",), "lamina_plain"),
        ),
    ),
    "eager": Workload(
        "the same loop without any compilation",
        ("lamina_eager", "torch", "numpy"),
        _SEED,
        "loop",
        goals=(Goal(1.15, ("torch",), "lamina_eager"),),
    ),
    "adam": Workload(
        "an epoch as above with Adam instead of SGD",
        (*_FRAMEWORKS, "sklearn", "lamina@epoch"),
        _ADAM,
        "epoch",
        goals=(Goal(1.25, ("lamina@epoch",)),),
    ),
    "gluon": Workload(
        "an epoch as above, the network made of layers instead of by hand",
        ("lamina_gluon", "lamina@epoch"),
        _SEED,
        "epoch",
        goals=(Goal(1.05, ("lamina@epoch",), "lamina_gluon"),),
    ),
    "gluon_loop": Workload(
        "the same batch by batch from Python",
        ("lamina_gluon", "lamina@loop"),
        _SEED,
        "loop",
        goals=(Goal(1.05, ("lamina@loop",), "lamina_gluon"),),
    ),
    "cold": Workload(
        "the first step of a new process, compiled from nothing",
        _COMPILERS,
        Task((784, 256, 256, 10), batch_size=64, examples=64),
        "first",
        flops=None,
        process="cold",
        goals=(Goal(0.6),),
    ),
    "warm": Workload(
        "the first step of a new process, with the machine code of an earlier one on disk",
        _COMPILERS,
        Task((784, 256, 256, 10), batch_size=64, examples=64),
        "first",
        flops=None,
        process="warm",
        goals=(Goal(0.15),),
    ),
    "fit_cold": Workload(
        "the first fit of a new process on a small table (iris, preset fast), compiled from nothing",
        ("lamina",),
        _IRIS,
        "fit",
        flops=None,
        process="cold",
        goals=(Goal(1.5),),
    ),
    "fit_warm": Workload(
        "the same with the machine code of an earlier process on disk",
        ("lamina",),
        _IRIS,
        "fit",
        flops=None,
        process="warm",
        goals=(Goal(0.75),),
    ),
    "fit_again": Workload(
        "the same a second time in a process",
        ("lamina",),
        _IRIS,
        "fit",
        flops=None,
        goals=(Goal(0.45),),
    ),
    "wide": Workload(
        "a step of four layers of 2048, batch 512",
        ("lamina", "torch", "torch_compile", "jax", "numpy", "blas"),
        _WIDE,
        "epoch",
        per_step=True,
        goals=(Goal(1, ("torch",)), Goal(1, ("blas",))),
    ),
    "small": Workload(
        "a step of 20-64-64-1, batch 32, regression, many batches in one go",
        (*_FRAMEWORKS, "sklearn"),
        _SMALL,
        "epoch",
        per_step=True,
        goals=(Goal(0.2, ("torch",)),),
    ),
    "small_loop": Workload(
        "a step of 20-64-64-1, batch 32, regression, batch by batch from Python",
        (*_FRAMEWORKS, "sklearn"),
        _SMALL,
        "loop",
        per_step=True,
        goals=(Goal(0.2, ("torch",)),),
    ),
    "predict_one": Workload(
        "one row through 784-256-256-10, NumPy in, NumPy out",
        ("lamina", "onnxruntime", "torch", "torch_compile", "jax", "numpy"),
        Task((784, 256, 256, 10), batch_size=1, examples=1),
        "predict",
        flops=Task.prediction_flops,
        calls=2000,
        goals=(Goal(1, ("onnxruntime",)),),
    ),
    "predict_10000": Workload(
        "10,000 rows through 784-256-256-10, NumPy in, NumPy out",
        ("lamina", "onnxruntime", "torch", "torch_compile", "jax", "numpy"),
        Task((784, 256, 256, 10), batch_size=10_000, examples=10_000),
        "predict",
        flops=Task.prediction_flops,
        calls=5,
        goals=(Goal(1 / 1.15, ("onnxruntime", "torch")),),
    ),
    "gpu_epoch": Workload(
        "an epoch of MNIST on a GPU, 784-256-256-10, batch 64, SGD, data there, reshuffled",
        ("lamina", "torch", "torch_compile", "jax", "cupy"),
        _SEED,
        "epoch",
        goals=(Goal(0.03), Goal(0.6, _GPU_PEERS)),
        device="gpu",
    ),
    "gpu_loop": Workload(
        "an epoch of the chapter's Python loop on a GPU: one call a batch, its loss read",
        ("lamina", "torch", "torch_compile", "jax", "cupy"),
        _SEED,
        "loop",
        device="gpu",
    ),
    "gpu_plain": Workload(
        "the same loop as it stands in the chapter, without a decorator",
        ("lamina_plain", "torch", "lamina@gpu_loop"),
        _SEED,
        "loop",
        device="gpu",
    ),
    "gpu_adam": Workload(
        "an epoch on a GPU with Adam instead of SGD",
        ("lamina", "torch", "torch_compile", "jax"),
        _ADAM,
        "epoch",
        device="gpu",
    ),
    "gpu_wide": Workload(
        "a step of four layers of 2048 on a GPU, batch 4096",
        ("lamina", "torch", "torch_compile", "jax", "cupy"),
        _WIDE_GPU,
        "epoch",
        per_step=True,
        goals=(Goal(1.25, ("torch",)),),
        device="gpu",
    ),
    "gpu_wide_tf32": _wide_in("tf32"),
    "gpu_wide_bfloat16": _wide_in("bfloat16"),
    "overhead": Workload(
        "one row through 4-8-2, NumPy in, NumPy out: the cost of a call",
        ("lamina", "onnxruntime", "torch", "torch_compile", "jax", "numpy"),
        Task((4, 8, 2), batch_size=1, examples=1),
        "predict",
        flops=None,
        calls=5000,
        goals=(Goal(5e-6),),
    ),
}
