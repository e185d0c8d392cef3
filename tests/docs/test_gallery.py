"""The gallery: each program runs, finds what it says, and draws the kind of picture that the page shows.

``LAMINA_PICTURES=1`` writes the pictures of docs/gallery anew.
"""

import contextlib
import os
import re
import shutil
import struct
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from documents import run_file

pytestmark = pytest.mark.pictures
ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "gallery"


def churn_with_text(said):
    with_texts, without = map(float, re.findall(r"AUC (0\.\d+)", said))
    assert with_texts > without + 0.05


def prices_over_time(said):
    error, held = map(float, re.findall(r"([\d.]+)%", said))
    assert error < 10
    assert 80 < held < 99


def stock_quantiles(said):
    mean, median, quantile = map(float, re.findall(r"costs ([\d.]+)", said))
    assert quantile < 0.9 * min(mean, median)


def model_behind_kserve(said):
    assert "area: FP64, town: BYTES" in said
    bergen, graz, cadiz = map(int, re.findall(r"about (\d+)", said))
    assert bergen > graz > cadiz > 500


def mxnet_model(said):
    came, before, after = map(float, re.findall(r"0\.\d+", said))
    assert came == 0.927  # what MXNet 1.9.1 says of them
    assert before < 0.6
    assert after > 0.75


def catboost_to_c(said):
    assert "the C program says what Python does: True" in said
    assert min(map(float, re.findall(r"0\.\d{3}", said))) > 0.98


def custom_layer(said):
    losses = list(map(float, re.findall(r"Loss: ([\d.]+)", said)))
    assert losses[5] < losses[2] < 0.3


CASES = [
    pytest.param(
        catboost_to_c,
        marks=pytest.mark.skipif(find_spec("catboost") is None, reason="needs catboost: make neighbours"),
    ),
    pytest.param(churn_with_text, marks=pytest.mark.slow),
    pytest.param(custom_layer, marks=pytest.mark.slow),
    pytest.param(model_behind_kserve, marks=pytest.mark.slow),
    mxnet_model,
    pytest.param(prices_over_time, marks=pytest.mark.slow),
    pytest.param(stock_quantiles, marks=pytest.mark.slow),
]
THREE = [
    (0.3, 0.3), (0.4, 0.2), (0.6, 0.2), (0.68, 0.33), (0.6, 0.46), (0.45, 0.5), (0.62, 0.54), (0.7, 0.67), (0.6, 0.8),
    (0.4, 0.81), (0.3, 0.72),
]  # fmt: skip


def size_of(picture):
    """Width and height of a PNG."""
    return struct.unpack(">II", picture.read_bytes()[16:24])


def is_as_shown(made):
    """The page shows a small picture of the same size; with LAMINA_PICTURES, this one from now on."""
    shown = PICTURES / made.name
    if os.environ.get("LAMINA_PICTURES"):
        shutil.copyfile(made, shown)
    assert shown.stat().st_size < 60_000
    assert size_of(made) == size_of(shown)


@pytest.mark.few(1)
@pytest.mark.parametrize("holds", CASES, ids=lambda holds: holds.__name__)
def test_a_program_finds_what_it_says(holds, tmp_path):
    name = holds.__name__
    with contextlib.chdir(tmp_path):
        holds(run_file(ROOT / "examples" / f"{name}.py"))
    plt.close("all")
    is_as_shown(tmp_path / f"{name}.png")


@pytest.mark.slow
def test_digits_are_drawn_in_a_page(tmp_path, opened):
    with contextlib.chdir(tmp_path):
        run_file(ROOT / "examples" / "digits_in_a_page.py")
    page = opened(tmp_path / "digits" / "page.html", width=900, height=640)
    paper = page.locator("#paper").bounding_box()
    for i, (x, y) in enumerate(THREE):
        page.mouse.move(paper["x"] + x * paper["width"], paper["y"] + y * paper["height"], steps=6)
        if i == 0:
            page.mouse.down()
    page.mouse.up()
    page.locator("#digit", has_text="3").wait_for()
    page.screenshot(path=tmp_path / "digits_in_a_page.png")
    is_as_shown(tmp_path / "digits_in_a_page.png")


def test_eight_programs_have_a_picture():
    shown = {path.stem for path in PICTURES.iterdir()}
    assert len(shown) == 8
    assert all((ROOT / "examples" / f"{name}.py").exists() for name in shown)
