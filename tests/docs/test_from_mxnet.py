"""lamina against the answers of real MXNet 1.9.1, and docs/from-mxnet.md against what that comparison found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lamina as mx
from lamina.errors import OutsideError
from lamina.outside import OUTSIDE

TOOL = Path(__file__).parents[2] / "tools" / "compare_mxnet"


def test_answers_are_mxnets_or_settled_and_the_page_says_so() -> None:
    command = [sys.executable, str(TOOL), "--recorded", "--only", "arrays", "--docs", "check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert "not settled" in run.stdout


@pytest.mark.parametrize("path", sorted(p for p in OUTSIDE if "*" not in p and p.count(".") < 3))
def test_what_is_left_out_says_what_there_is_instead(path: str) -> None:
    _, *modules, name = path.split(".")
    module = mx
    for part in modules:
        module = getattr(module, part)
    if module.__name__.startswith("lamina.gluon") or hasattr(module, name):
        pytest.skip(f"{path} is told of by its own module")
    with pytest.raises(OutsideError, match=f"^{path}: .*"):
        getattr(module, name)


def test_an_import_keeps_the_message() -> None:
    with pytest.raises(ImportError, match=r"mx\.mod: lamina has no Module API"):
        from lamina import mod  # noqa: F401
    with pytest.raises(ImportError, match="dense"):
        from lamina.nd import sparse  # noqa: F401
