"""`LAMINA_DEBUG=1` says of each line once when and how its operators were computed, and at the end how often."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
from lamina import autograd, nd

x, y = nd.ones((16, 4)), nd.ones((16, 1))
w, b = nd.ones((4, 1)) * 0.1, nd.zeros((1,))
for p in (w, b):
    p.attach_grad()
for step in range(40):
    with autograd.record():
        loss = nd.mean(nd.square(nd.relu(nd.dot(x, w) + b) - y))
    loss.backward()
    for p in (w, b):
        p[:] = p - 0.01 * p.grad
    loss.asscalar()
"""
LOOK = PROGRAM.splitlines().index("    loss.asscalar()") + 1


def told(level: str, folder: Path) -> list[str]:
    path = folder / "program.py"
    path.write_text(PROGRAM)
    environment = {**os.environ, "LAMINA_DEBUG": level, "LAMINA_COMPILE": "1", "LAMINA_EAGER": "0"}
    ended = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, env=environment, check=True
    )
    return [line.removeprefix(f"{path}:") for line in ended.stderr.splitlines()]


@pytest.mark.slow
def test_each_line_once(tmp_path: Path) -> None:
    first, *between, last = told("1", tmp_path)
    assert first.startswith(f"{LOOK}: ") and "deferred events are computed, compiled: " in first
    assert last.startswith(f"{LOOK}: computed ") and " times, compiled: " in last
    times = int(last.split()[2])
    assert 30 <= times < 40
    assert len(between) <= 2  # where the first steps were computed in another way


@pytest.mark.few(1)
@pytest.mark.parametrize("level", ["", "0", "traceback"])
def test_nothing_without_a_level(level: str, tmp_path: Path) -> None:
    assert told(level, tmp_path) == []
