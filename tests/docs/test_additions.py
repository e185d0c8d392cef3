"""docs/architecture.md's table of additions, executed: a test makes each addition in the files that the row names.

`ELSEWHERE` names the tests that make a row's addition in a registry, or in a copy. All others are made here together,
in one copy of the source, and used in one process.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from additions import ADDED, ELSEWHERE

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/architecture.md").read_text("utf-8").partition("## Where things are added")[2]
ROWS = dict(
    [cell.strip() for cell in line.split("|")[1:3]] for line in TABLE.splitlines() if line.startswith("| ")
)
"""The table's rows: the files by what is added."""
del ROWS["to add"]

PROGRAM = """
import json, sys, traceback, warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime

import lamina
from lamina import autograd, gluon, nd
from lamina.cli import main
from lamina.runs.run_folder import open_model

ROOT = sys.argv[2]
assert Path(lamina.__file__).is_relative_to(sys.argv[1])


def command(*arguments):
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        assert not ended.code, ended.code


shared = dict(globals())
failed = []
for row, code in json.load(sys.stdin).items():
    try:
        exec(compile(code, f"<{row}>", "exec"), {**shared})
    except Exception:
        failed.append(row + "\\n" + traceback.format_exc())
sys.exit("\\n".join(failed) or 0)
"""


def _made(addition, copy):
    """Make an addition in a copy of lamina."""
    for file, texts in addition.files.items():
        path = copy / file
        for before, text in texts:
            content = path.read_text("utf-8") if before else text.removeprefix("\n")
            assert content.count(before) == 1 or not before, (file, before)
            path.unlink(missing_ok=True)
            path.write_text(content.replace(before, text + before) if before else content, "utf-8")


def _used(additions, copy):
    """Use additions in a process that imports the copy; returns the process."""
    folder = copy / "work"
    folder.mkdir()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(copy / "src"), str(ROOT / "tests/support")]),
        "LAMINA_CACHE_DIR": str(copy / "cache"),
        "LAMINA_DEVICE": "pretended",
        "COLUMNS": "120",
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(copy / "src"), str(ROOT)],
        input=json.dumps({row: one.used for row, one in additions.items()}),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _copied(copy):
    """Copy lamina's source, as links to its files."""
    for part in ("src", "tools"):
        shutil.copytree(ROOT / part, copy / part, copy_function=os.symlink)
    for file in ("pyproject.toml", "tests/test_extras.py"):
        (copy / file).parent.mkdir(exist_ok=True)
        (copy / file).symlink_to(ROOT / file)


def test_every_row_is_executed():
    """Each row has exactly one addition, and each addition has a row."""
    named = {row: [one for one in (*ADDED, *ELSEWHERE) if row.startswith(one)] for row in ROWS}
    assert {row: found for row, found in named.items() if len(found) != 1} == {}
    assert len(ROWS) == len(ADDED) + len(ELSEWHERE) > 20


@pytest.mark.parametrize(("row", "test"), ELSEWHERE.items())
def test_an_addition_is_made_elsewhere(row, test):
    path, _, name = test.partition("::")
    assert re.search(rf"^def {name}\b", (ROOT / path).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("row", ADDED)
def test_an_addition_touches_the_files_that_its_row_names(row):
    (files,) = (files for name, files in ROWS.items() if name.startswith(row))
    for file in ADDED[row].files:
        assert any(f"`{part}`" in files for part in (file, str(Path(file).parent)))


@pytest.mark.slow
def test_additions_of_the_table_work(tmp_path):
    _copied(tmp_path)
    for addition in ADDED.values():
        _made(addition, tmp_path)
    done = _used(ADDED, tmp_path)
    assert done.returncode == 0, done.stderr[-8000:]
