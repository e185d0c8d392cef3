"""The programs in the README and the guide run as they stand there; the README's first one for a single epoch."""

import re
from pathlib import Path

import pytest
from command_line import cli
from documents import programs, run_program

__all__ = ["cli"]

ROOT = Path(__file__).parents[1]
CHAPTER, COMPILED = programs((ROOT / "README.md").read_text())


def test_the_chapters_program_fits_on_a_page():
    assert len([line for line in CHAPTER.splitlines() if line.strip()]) <= 40


@pytest.mark.slow
def test_the_chapters_program_learns(tmp_path):
    assert "range(10)" in CHAPTER
    (line,) = run_program(CHAPTER.replace("range(10)", "range(1)"), tmp_path).splitlines()
    found = re.fullmatch(r"epoch 0: test accuracy (0\.\d{4})", line)
    assert found is not None, line
    assert float(found.group(1)) > 0.8


def test_the_compiled_step_runs(tmp_path):
    assert "<NDArray 1 @cpu(0)>" in run_program(COMPILED, tmp_path)


@pytest.mark.slow
def test_the_first_table_is_trained_on_and_predicted(tmp_path, monkeypatch, cli):
    text = (ROOT / "README.md").read_text()
    commands = (
        re.search(r"```console\n(.*?)```", text, re.DOTALL).group(1).splitlines()[2:]
    )  # after what sets up the environment
    assert [line.split()[:3] for line in commands] == [["$", "lamina", "train"], ["$", "lamina", "predict"]]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for line in commands:
        code, _, error = cli(*line.split()[2:])
        assert code == 0, error
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 570


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


@pytest.mark.parametrize("number", range(2))
def test_the_guides_programs_run(number, tmp_path):
    assert run_program(programs((ROOT / "docs/guide.md").read_text())[number], tmp_path).strip()


@pytest.mark.parametrize("path", ["README.md", "docs/guide.md"])
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / path).read_text()):
        assert (ROOT / path).parent.joinpath(target).exists(), target
