"""Tables and machine-readable records of what was measured."""

from __future__ import annotations

import datetime
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measure import Contestant
from rich.console import Console
from rich.table import Table
from workloads import Workload

__all__ = ["NAMES", "Result", "as_json", "console", "heading", "print_table"]

NAMES = {
    "lamina": "lamina",
    "torch": "PyTorch",
    "torch_compile": "torch.compile",
    "jax": "JAX",
    "sklearn": "scikit-learn",
    "tinygrad": "tinygrad",
    "onnxruntime": "ONNX Runtime",
    "numpy": "NumPy by hand",
}


@dataclass(frozen=True)
class Result:
    """A workload that was measured."""

    name: str
    workload: Workload
    contestants: list[Contestant]
    peak: float
    examples: int | None = None

    @property
    def flops(self) -> float | None:
        task = self.workload.task
        if self.examples is not None:
            task = replace(task, examples=self.examples)
        return self.workload.flops(task) if self.workload.flops else None

    @property
    def finishers(self) -> list[Contestant]:
        """Who took part, the fastest first."""
        return sorted((c for c in self.contestants if c.turns), key=lambda c: c.seconds)

    @property
    def fastest_peer(self) -> Contestant | None:
        return next((c for c in self.finishers if c.name not in ("lamina", "numpy")), None)


def console() -> Console:
    return Console(width=110)


def heading(out: Console, threads: int, peak: float) -> None:
    out.print(
        f"{cpu_model()}, {threads} threads, {datetime.date.today():%Y-%m-%d}, Python {platform.python_version()}; "
        f"peak of fused multiply-adds: {peak / 1e9:.0f} GFLOP/s",
        highlight=False,
    )


def print_table(out: Console, result: Result) -> None:
    table = Table(
        title=f"{result.name}: {result.workload.title}", title_justify="left", caption_justify="left"
    )
    table.add_column("")
    for column in ("median", "best", "× fastest peer", "GFLOP/s", "of peak"):
        table.add_column(column, justify="right")
    peer = result.fastest_peer
    for contestant in result.finishers:
        ratio = f"{contestant.seconds / peer.seconds:.2f}" if peer else ""
        rate = result.flops / contestant.seconds if result.flops else None
        table.add_row(
            f"{NAMES[contestant.name]} {contestant.version}{_marks(contestant)}",
            duration(contestant.seconds),
            duration(min(seconds for seconds, _ in contestant.turns)),
            ratio,
            f"{rate / 1e9:.1f}" if rate else "",
            f"{rate / result.peak:.0%}" if rate else "",
            style="bold" if contestant.name == "lamina" else "",
        )
    for contestant in result.contestants:
        if contestant.unavailable:
            table.add_row(NAMES[contestant.name], contestant.unavailable, style="dim")
    table.caption = _caption(result)
    out.print(table)


def _marks(contestant: Contestant) -> str:
    return "*" * contestant.extrapolated + "†" * contestant.disturbed


def _caption(result: Result) -> str | None:
    notes = []
    if any(c.extrapolated for c in result.finishers):
        notes.append("* extrapolated from fewer steps")
    if any(c.disturbed for c in result.finishers):
        notes.append("† other processes used the processor in every round: not to be relied on")
    return "; ".join(notes) or None


def duration(seconds: float) -> str:
    """A time in the unit that suits it, to three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def as_json(results: list[Result], threads: int) -> dict[str, Any]:
    """Everything that was measured, with what it was measured on."""
    return {
        "cpu": cpu_model(),
        "threads": threads,
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "workloads": {
            r.name: {
                "title": r.workload.title,
                "flops": r.flops,
                "peak_flops_per_second": r.peak,
                "contestants": {c.name: _record(c) for c in r.contestants},
            }
            for r in results
        },
    }


def _record(contestant: Contestant) -> dict[str, Any]:
    if not contestant.turns:
        return {"unavailable": contestant.unavailable}
    return {
        "version": contestant.version,
        "median_seconds": contestant.seconds,
        "seconds": [seconds for seconds, _ in contestant.turns],
        "share_of_the_machine_used_by_others": [others for _, others in contestant.turns],
        "extrapolated": contestant.extrapolated,
        "disturbed": contestant.disturbed,
    }


def cpu_model() -> str:
    """The processor's name as the operating system states it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
