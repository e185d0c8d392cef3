"""The programs of the estimators' page, the how-tos and tutorials, and notebooks, run as they stand there."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from documents import programs, run_program

from lamina import __version__

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    DOCS / "estimators.md",
    *sorted([*(DOCS / "how-to").glob("*.md"), *(DOCS / "tutorials").glob("*.md")]),
]
LONG = {"explain-predictions", "quantiles"}  # importing shap, three networks for intervals
NEIGHBOURS = {
    "counterfactuals": ["dice_ml"],
    "mlflow": ["mlflow"],
    "open-inference": ["tritonclient"],
    "skops": ["skops"],
    "watch": ["mlflow", "tensorboard", "wandb"],
}
"""Packages that pages are about, which `make neighbours` installs in an environment of its own."""


def marks_of(page):
    """Slow pages are, and what needs other packages is skipped without them; they warn of their own parts."""
    marks = [pytest.mark.slow] if page.stem in LONG else []
    if packages := NEIGHBOURS.get(page.stem):
        missing = [name for name in packages if find_spec(name) is None]
        reason = f"NOT TESTED: documentation with {' and '.join(missing)} (make neighbours)"
        marks += [pytest.mark.skipif(bool(missing), reason=reason), pytest.mark.filterwarnings("ignore")]
    return marks


@pytest.mark.pictures
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The set_")  # what importing shap warns of, with a new Matplotlib
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=marks_of(page), id=page.stem) for page in PAGES],
)
def test_the_programs_of_a_page_run(page, tmp_path):
    for program in programs(page.read_text()):
        # What they print is shapes, or whether something is so.
        assert "False" not in run_program(program, tmp_path)


@pytest.mark.pictures
@pytest.mark.slow
@pytest.mark.parametrize("name", ["chapter", "table"])
def test_a_notebook_runs(name, tmp_path):
    """Its cells as one program; tests of displays have a kernel."""
    notebook = nbformat.read(DOCS / "tutorials" / f"{name}.ipynb", 4)
    program = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    for whole, part in (
        ("range(3)", "range(1)"),
        ("transform=transform)", "transform=transform).take(2000)"),
    ):
        program = program.replace(whole, part)
    run_program(program, tmp_path)


def test_lamina_is_installed_from_a_checkout_or_a_wheel():
    """No index has it: `pip install '.[serve]'`, or the file that `make wheel` writes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wheel = f"dist/lamina-{__version__}-py3-none-any.whl"
    readers = [
        ROOT / "README.md",
        *DOCS.rglob("*.md"),
        *DOCS.rglob("*.ipynb"),
        *(ROOT / "examples").iterdir(),
    ]
    found = 0
    for page in readers:
        text = page.read_text() if page.is_file() else ""
        for what in re.findall(r"pip\s+install\s+(?:-\S+\s+)*('[^']*'|\"[^\"]*\"|[^\s`]+)", text):
            named, extras = re.fullmatch(r"(.*?)(?:\[([a-z,]+)\])?", what.strip("'\"")).groups()
            if named not in (
                ".",
                wheel,
                "$(echo /tmp/lamina-*.whl)",
            ):  # the last: where the image copies the wheel
                assert "lamina" not in named, f"{page}: {what}"
                continue
            assert set((extras or "").split(",")) <= {"", *project["optional-dependencies"]}, (
                f"{page}: {what}"
            )
            found += 1
    assert found > 8
