"""The pictures of a run are files that show what they should."""

import numpy as np
import pytest
from PIL import Image

from lamina.recipes import Epoch
from lamina.recipes.run import draw_learning_curves, draw_mistakes


def ink(path):
    """The fraction of a picture that is not white, and its size."""
    pixels = np.asarray(Image.open(path).convert("L"))
    return (pixels < 250).mean(), pixels.shape


@pytest.mark.few(1)
@pytest.mark.pictures
@pytest.mark.parametrize("epochs", [1, 10, 200])
def test_learning_curves(tmp_path, epochs):
    path = tmp_path / "curves.png"
    scores = [{"train_accuracy": 1 - 0.1 / i, "test_accuracy": 1 - 0.2 / i} for i in range(1, epochs + 1)]
    history = [Epoch(i, 1 / i, None, False, 1.0 * i, found) for i, found in enumerate(scores, 1)]
    draw_learning_curves(path, history)
    covered, (height, width) = ink(path)
    assert 0.01 < covered < 0.3
    assert width > 2 * height > 800


@pytest.mark.few(2)
@pytest.mark.pictures
@pytest.mark.parametrize(("wrong", "rows"), [(0, 1), (7, 1), (25, 3), (90, 6)])
def test_mistakes(tmp_path, wrong, rows):
    path = tmp_path / "mistakes.png"
    images = np.full((100, 784), 255, np.uint8)
    labels = np.zeros(100, np.float32)
    probabilities = np.full((100, 10), 0.01)
    probabilities[:, 0] = 0.8
    probabilities[:wrong, 7] = 0.9
    draw_mistakes(path, images, labels, probabilities)
    covered, (height, width) = ink(path)
    assert height == pytest.approx(120 * (0.8 + 1.35 * rows), abs=2)
    assert width == 11 * 120
    assert covered > min(wrong, 60) * 50 * 50 / (height * width)
