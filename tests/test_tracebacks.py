"""Errors that nobody caught are shown at the user's lines: by Python, in threads and in notebooks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import lamina

BEFORE = """\
import threading
import lamina as mx
from lamina import autograd, gluon, nd, np

def call(function, *arguments):
    return function(*arguments)

class Net(gluon.Block):
    def forward(self, x):
        return x + nd.ones((7, 7))

class Wrong(gluon.Block):
    def forward(self, x):
        return {}[x.shape]

dense = gluon.nn.HybridSequential()
dense.add(gluon.nn.Dense(4, activation="relu"), gluon.nn.Dense(2))
dense.initialize()
dense(nd.ones((2, 3)))
"""
WRONG = {  # a line of the user's, and the beginning of what is said last
    "nd.dot(nd.ones((2, 3)), nd.ones((2, 3)))": "lamina.errors.ShapeError: dot: shapes (2, 3) and (2, 3)",
    "nd.ones((2, 3)) + nd.ones((4, 5))": "lamina.errors.ShapeError: add: shapes",
    "nd.ones((2, 3)).reshape((5, 5))": "lamina.errors.ShapeError: reshape: (2, 3) has 6 elements",
    "np.ones((2, 3)) + np.ones((4, 5))": "lamina.errors.ShapeError: add: shapes",
    "nd.ones(3) + 'a'": "TypeError: an NDArray of shape (3,) does not combine with str",
    "dense(nd.ones((2, 5)))": "lamina.errors.ShapeError: FullyConnected",
    "nd.ones(3).backward()": "lamina.errors.AutogradError: backward",
    "autograd.backward([nd.ones(3)])": "lamina.errors.AutogradError: backward",
    "gluon.Trainer(dense.collect_params(), 'adma')": "ValueError: unknown optimizer 'adma'",
    "gluon.Trainer(dense.collect_params(), 'sgd').step(0)": "lamina.errors.ParameterError: step",
    "nd.load('missing.params')": "lamina.errors.MissingFileError: there is no file missing.params",
    "list(gluon.data.DataLoader([{'a': 1}, {'b': 1}], 2))": "lamina.errors.DataError: DataLoader: sample 1",
    "threading.Thread(target=nd.dot, args=(nd.ones(2), nd.ones(3))).start()": "lamina.errors.ShapeError: dot",
}
OF_BLOCKS = {  # what is called, the user's last line, and what is said
    "Net()(nd.ones(3))": ("return x + nd.ones((7, 7))", "lamina.errors.ShapeError: add"),
    "Wrong()(nd.ones(3))": ("return {}[x.shape]", "KeyError: (3,)"),
}


def shown(line: str, folder: Path, debug: str = "") -> str:
    """What a program that ends with this line leaves in standard error."""
    path = folder / "program.py"
    path.write_text(f"{BEFORE}\n{line}\n")
    ended = subprocess.run(
        [sys.executable, path],
        capture_output=True,
        text=True,
        env={**os.environ, "LAMINA_DEBUG": debug},
        check=False,
    )
    return ended.stderr


def are_of_lamina(text: str) -> bool:
    return f"{Path(lamina.__file__).parent}" in text


@pytest.mark.few(1)
@pytest.mark.parametrize("line", WRONG)
def test_a_program_ends_at_the_users_line(line: str, tmp_path: Path) -> None:
    said = shown(line, tmp_path)
    assert not are_of_lamina(said)
    assert said.splitlines()[-1].startswith(WRONG[line])
    assert said.count("Traceback") == 1
    assert "Thread" in line or f"    {line}\n" in said


@pytest.mark.slow
@pytest.mark.parametrize("call", OF_BLOCKS)
def test_and_at_the_line_of_a_block_of_the_users(call: str, tmp_path: Path) -> None:
    line, error = OF_BLOCKS[call]
    said = shown(call, tmp_path)
    assert not are_of_lamina(said)
    assert f"    {line}\n" in said and said.splitlines()[-1].startswith(error)


def test_an_error_before_it_is_still_shown(tmp_path: Path) -> None:
    said = shown("try:\n    1 / 0\nexcept ZeroDivisionError:\n    nd.dot(nd.ones(2), nd.ones(3))", tmp_path)
    assert "1 / 0" in said and "During handling" in said and not are_of_lamina(said)


def test_an_error_of_laminas_own_keeps_its_lines(tmp_path: Path) -> None:
    said = shown("import lamina.nd.reduce\nlamina.nd.reduce.bind = None\nnd.sum(nd.ones(3))", tmp_path)
    assert are_of_lamina(said) and "TypeError: 'NoneType' object is not callable" in said


@pytest.mark.few(1)
@pytest.mark.parametrize("debug", ["traceback", "1", "1,traceback"])
def test_all_lines_are_shown_to_who_debugs(debug: str, tmp_path: Path) -> None:
    said = shown("nd.dot(nd.ones(2), nd.ones(3))", tmp_path, debug)
    assert are_of_lamina(said) and "raise ShapeError(" in said


def test_a_hook_of_the_users_gets_the_short_traceback(tmp_path: Path) -> None:
    before = "import sys\nsys.excepthook = lambda kind, error, trace: sys.stderr.write(f'{trace.tb_next}')\n"
    path = tmp_path / "program.py"
    path.write_text(f"{before}{BEFORE}\nnd.dot(nd.ones(2), nd.ones(3))\n")
    ended = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
    assert ended.stderr == "None"


@pytest.fixture(scope="module")
def notebook() -> dict[str, str]:
    """By line, what a notebook shows of its error."""
    lines = [line for line in [*WRONG, *OF_BLOCKS] if "Thread" not in line]
    cells = [nbformat.v4.new_code_cell(source) for source in [BEFORE, *lines]]
    made = nbformat.v4.new_notebook(cells=cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the notebook's own machinery
        NotebookClient(made, timeout=120, allow_errors=True).execute()
    shown = (made.cells[1 + i].outputs for i in range(len(lines)))
    return {line: _plain("\n".join(one[0]["traceback"])) for line, one in zip(lines, shown, strict=True)}


def _plain(text: str) -> str:
    """A text without a terminal's colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.few(3)
@pytest.mark.parametrize("line", [line for line in WRONG if "Thread" not in line])
def test_a_notebook_ends_at_the_users_line(line: str, notebook: dict[str, str]) -> None:
    said = notebook[line]
    assert not are_of_lamina(said) and "lamina/" not in said
    assert f"----> 1 {line}" in said
    assert WRONG[line].removeprefix("lamina.errors.") in said.splitlines()[-1]
    assert said.count("Traceback") == 1


@pytest.mark.parametrize("call", OF_BLOCKS)
def test_and_at_the_line_of_a_block_in_a_notebook(call: str, notebook: dict[str, str]) -> None:
    line, error = OF_BLOCKS[call]
    said = notebook[call]
    assert "lamina/" not in said and line in said
    assert error.removeprefix("lamina.errors.") in said.splitlines()[-1]
