"""Sections of a report on a GPU: each in a process of its own, which ends in time, and the targets that they measure.

A kernel that fails takes its process's driver with it, and one that never ends can't be interrupted from inside. So a
section is a process; its lines are passed on as they come, its figures by lines that begin with `MARK`.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["MARK", "TARGETS", "Outcome", "Target", "figure", "judged", "run_section"]

MARK = "@figure "


@dataclass(frozen=True)
class Target:
    """What a figure has to be: at most, or at least, a number."""

    name: str
    what: str
    bound: float
    at_most: bool = True

    def holds(self, value: float) -> bool:
        """Whether a figure is good enough."""
        return value <= self.bound if self.at_most else value >= self.bound


TARGETS = (
    Target("launches", "launches a step of the chapter's network", 8),
    Target("epoch_ms", "milliseconds an epoch of the chapter's network", 30),
    Target("epoch_ratio", "its time, of the fastest of torch.compile's and JAX's", 0.6),
    Target("accuracy_difference", "test accuracy, beside the CPU's", 0.005),
    Target("repeated_bits", "trainings with the same bits twice (1: yes)", 1, at_most=False),
    *(
        Target(f"wide_{p}", f"four layers of 2048, batch 4096, {p}: speed, of cuBLAS's by PyTorch", 0.8, at_most=False)
        for p in ("float32", "tf32", "bfloat16")
    ),
)  # fmt: skip


def figure(name: str, value: float) -> str:
    """The line by which a section passes on a figure.

    >>> figure("epoch_ms", 12.5)
    '@figure {"name": "epoch_ms", "value": 12.5}'
    """
    return MARK + json.dumps({"name": name, "value": value})


def judged(figures: dict[str, float]) -> list[str]:
    """A line for each target: met, not met, or not measured.

    >>> judged({"launches": 6})[0]
    'met           launches a step of the chapter\\'s network: 6 (at most 8)'
    """
    lines = []
    for target in TARGETS:
        wanted = f"{'at most' if target.at_most else 'at least'} {target.bound:g}"
        value = figures.get(target.name)
        if value is None:
            lines.append(f"not measured  {target.what} ({wanted})")
        else:
            met = "met" if target.holds(value) else "NOT MET"
            lines.append(f"{met:13} {target.what}: {value:.4g} ({wanted})")
    return lines


@dataclass(frozen=True)
class Outcome:
    """How a section ended: its exit code, None where it was stopped; its figures."""

    code: int | None
    figures: dict[str, float]
    seconds: float


def run_section(command: Sequence[str], limit: float, say: Callable[[str], None]) -> Outcome:
    """Run it in a process, at most so many seconds; then it is killed, with all that it has started.

    Its output is said line by line, as it comes. Ctrl-C, which does not reach it, ends it likewise.
    """
    start, figures = time.monotonic(), {}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as child:
        lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=_read, args=(child, lines), daemon=True)
        reader.start()
        has_ended = False
        try:
            has_ended = _pass_on(lines, start + limit, figures, say)
        finally:
            if not has_ended:
                _kill(child)
        reader.join()
        code = child.wait()
    return Outcome(code if has_ended else None, figures, time.monotonic() - start)


def _pass_on(
    lines: queue.Queue[str | None], end: float, figures: dict[str, float], say: Callable[[str], None]
) -> bool:
    """Say lines and keep figures until there are no more; False if that is not so before a time."""
    while (left := end - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            break
        if line is None:
            return True
        if line.startswith(MARK):
            found = json.loads(line.removeprefix(MARK))
            figures[found["name"]] = found["value"]
        else:
            say(line)
    return False


def _read(child: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        lines.put(line.rstrip())
    lines.put(None)


def _kill(child: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        child.kill()
        return
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        child.kill()
