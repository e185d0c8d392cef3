"""The programs in the README and the guide run as they stand there; the README's first one for a single epoch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # several wait for each other on a busy machine


def programs(path):
    return re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(), re.DOTALL)


def run(program, folder=None):
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env=ONE_THREAD, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


CHAPTER, COMPILED, TABLE = programs("README.md")


def test_the_chapters_program_fits_on_a_page():
    assert len([line for line in CHAPTER.splitlines() if line.strip()]) <= 40


def test_the_chapters_program_learns():
    assert "range(10)" in CHAPTER
    (line,) = run(CHAPTER.replace("range(10)", "range(1)")).splitlines()
    found = re.fullmatch(r"epoch 0: test accuracy (0\.\d{4})", line)
    assert found is not None, line
    assert float(found.group(1)) > 0.8


def test_the_compiled_step_runs():
    assert "<NDArray 1 @cpu(0)>" in run(COMPILED)


def test_the_first_table_is_made_trained_on_and_predicted(tmp_path):
    run(TABLE, tmp_path)
    _, after = (ROOT / "README.md").read_text().split(TABLE)
    commands = re.search(r"```console\n(.*?)```", after, re.DOTALL).group(1).splitlines()
    assert [line.split()[:3] for line in commands] == [["$", "lamina", "train"], ["$", "lamina", "predict"]]
    for line in commands:
        command = [sys.executable, "-m", *line.split()[1:]]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=600, check=False, env=ONE_THREAD, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 570


@pytest.mark.parametrize("number", range(2))
def test_the_guides_programs_run(number):
    assert run(programs("docs/guide.md")[number]).strip()


@pytest.mark.parametrize("path", ["README.md", "docs/guide.md"])
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / path).read_text()):
        assert (ROOT / path).parent.joinpath(target).exists(), target
