"""What type checkers know of compiled functions."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
from typing import assert_type

import lamina
from lamina import nd
from lamina.nd import NDArray


@lamina.compile
def scaled(x: NDArray, factor: float) -> NDArray:
    return x * factor


@lamina.compile(keep_gradients=True)
def twice(x: NDArray) -> tuple[NDArray, NDArray]:
    return x, x


class Net:
    @lamina.compile
    def forward(self, x: NDArray) -> NDArray:
        return x


x = nd.ones((2,))
assert_type(scaled(x, 0.1), NDArray)
assert_type(twice(x), tuple[NDArray, NDArray])
assert_type(Net().forward(x), NDArray)
scaled("a text", 1)
"""


@pytest.mark.slow
def test_arguments_and_results_have_the_types_of_the_function(tmp_path):
    pytest.importorskip("pyright")
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "pyrightconfig.json").write_text("{}")  # the project's own settings are not meant
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", "program.py"]
    said = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout)
    wrong = [(one["range"]["start"]["line"] + 1, one["rule"]) for one in said["generalDiagnostics"]]
    assert wrong == [(len(PROGRAM.splitlines()), "reportArgumentType")]
