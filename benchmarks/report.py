"""Tables and machine-readable records of what was measured."""

from __future__ import annotations

import datetime
import platform
from dataclasses import dataclass
from typing import Any

from environment import processor
from measure import Contestant
from rich.console import Console
from rich.table import Table
from tasks import Task
from workloads import Goal, Workload

__all__ = ["Result", "as_json", "duration", "heading", "label", "print_table", "setting"]

_NAMES = {
    "lamina": "lamina",
    "lamina@epoch": "lamina, by hand with SGD",
    "lamina@loop": "lamina, by hand",
    "lamina_eager": "lamina, not compiled",
    "lamina_plain": "lamina, no decorator",
    "lamina_gluon": "lamina, Gluon's layers",
    "torch": "PyTorch",
    "torch_compile": "torch.compile",
    "jax": "JAX",
    "cupy": "CuPy by hand",
    "lamina@gpu_loop": "lamina, by hand",
    "sklearn": "scikit-learn",
    "tinygrad": "tinygrad",
    "onnxruntime": "ONNX Runtime",
    "numpy": "NumPy by hand",
    "blas": "products alone,",
}
_NO_PEERS = ("lamina", "numpy", "blas", "cupy")


@dataclass(frozen=True)
class Result:
    """A workload that was measured."""

    name: str
    workload: Workload
    contestants: list[Contestant]
    peak: float
    examples: int | None = None

    @property
    def task(self) -> Task:
        """What everybody did."""
        return self.workload.task.limited(self.examples)

    @property
    def units(self) -> int:
        """By how many steps a measurement is divided."""
        return self.task.steps if self.workload.per_step else 1

    @property
    def flops(self) -> float | None:
        """Floating-point operations in what is reported."""
        return self.workload.flops(self.task) / self.units if self.workload.flops else None

    @property
    def finishers(self) -> list[Contestant]:
        """Who took part, the fastest first."""
        return sorted((c for c in self.contestants if c.turns), key=lambda c: c.seconds)

    @property
    def reference(self) -> Contestant | None:
        """The fastest peer, or where there is none, lamina at what is compared with."""
        peers = [c for c in self.finishers if not c.entry.startswith(_NO_PEERS)]
        return next(iter(peers or [c for c in self.finishers if "@" in c.entry]), None)

    def seconds(self, contestant: Contestant) -> float:
        """Median seconds of what is reported."""
        return contestant.seconds / self.units


def label(contestant: Contestant) -> str:
    """The contestant's name and version."""
    return f"{_NAMES[contestant.entry]} {contestant.version.partition('+')[0]}"


def setting(threads: int, peak: float) -> str:
    """What it was measured on, and when."""
    return (
        f"{processor()}, {threads} threads, peak {peak / 1e9:.0f} GFLOP/s in float32 (multiply-adds on registers); "
        f"Python {platform.python_version()}; {datetime.date.today():%Y-%m-%d}"
    )


def heading(out: Console, threads: int, peak: float) -> None:
    out.print(setting(threads, peak), highlight=False)


def print_table(out: Console, result: Result) -> None:
    table = Table(title=f"{result.name}: {result.workload.title}", title_justify="left")
    table.caption, table.caption_justify = _caption(result), "left"
    table.add_column("", no_wrap=True)
    reference = result.reference
    ratio_of = "peer" if reference is None or "@" not in reference.entry else "last"
    for column in ("median", "best", f"× {ratio_of}", "GFLOP/s", "of peak"):
        table.add_column(column, justify="right")
    for contestant in result.finishers:
        seconds = result.seconds(contestant)
        rate = result.flops / seconds if result.flops else None
        table.add_row(
            label(contestant) + _marks(contestant),
            duration(seconds),
            duration(min(seconds for seconds, _ in contestant.turns) / result.units),
            f"{contestant.seconds / reference.seconds:.2f}" if reference else "",
            f"{rate / 1e9:.1f}" if rate else "",
            f"{rate / result.peak:.0%}" if rate else "",
            style="bold" if contestant.entry.startswith("lamina") else "",
        )
    out.print()
    out.print(table)


def _marks(contestant: Contestant) -> str:
    return " *" * contestant.extrapolated + " †" * contestant.disturbed


def _caption(result: Result) -> str | None:
    notes = [_verdict(result, goal) for goal in result.workload.goals]
    notes += [f"{_NAMES[c.entry]}: {c.unavailable}" for c in result.contestants if c.unavailable]
    if any(c.extrapolated for c in result.finishers):
        notes.append("* extrapolated from fewer steps")
    if any(c.disturbed for c in result.finishers):
        notes.append("† other processes used the processor in every round: not to be relied on")
    return "\n".join(note for note in notes if note) or None


def _verdict(result: Result, goal: Goal) -> str:
    """What is asked, and whether it was met; nothing if somebody needed for that did not take part."""
    times = {c.entry: result.seconds(c) for c in result.finishers}
    others = {entry: times[entry] for entry in goal.of if entry in times}
    if goal.contestant not in times or (goal.of and not others):
        return ""
    if not goal.of:
        took, most = times[goal.contestant], duration(goal.most)
        return f"goal: {most} at most; {duration(took)}: {_met(took <= goal.most)}"
    fastest = min(others, key=others.__getitem__)
    ratio = times[goal.contestant] / others[fastest]
    return f"goal: {goal.most:.2f} × {_NAMES[fastest]} at most; {ratio:.2f}: {_met(ratio <= goal.most)}"


def _met(met: bool) -> str:
    return "met" if met else "missed"


def duration(seconds: float) -> str:
    """A time in the unit that suits it, to three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            number = seconds / size
            return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def as_json(results: list[Result], threads: int) -> dict[str, Any]:
    """Everything that was measured, with what it was measured on."""
    return {
        "cpu": processor(),
        "threads": threads,
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "workloads": {
            r.name: {
                "title": r.workload.title,
                "flops": r.flops,
                "peak_flops_per_second": r.peak,
                "goals": [verdict for goal in r.workload.goals if (verdict := _verdict(r, goal))],
                "contestants": {c.entry: _record(c, r.units) for c in r.contestants},
            }
            for r in results
        },
    }


def _record(contestant: Contestant, units: int) -> dict[str, Any]:
    if not contestant.turns:
        return {"unavailable": contestant.unavailable}
    return {
        "version": contestant.version,
        "median_seconds": contestant.seconds / units,
        "seconds": [seconds / units for seconds, _ in contestant.turns],
        "share_of_the_machine_used_by_others": [others for _, others in contestant.turns],
        "extrapolated": contestant.extrapolated,
        "disturbed": contestant.disturbed,
    }
