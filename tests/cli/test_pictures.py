"""Folders of pictures: trained on, and what is said of a new picture."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for name, brightness in (("cat", 40), ("dog", 160)):
        (tmp_path / "pics" / name).mkdir(parents=True)
        for i in range(20):
            pixels = (brightness + 60 * rng.random((6, 5, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pics" / name / f"{i}.png")
    return tmp_path


def test_a_picture_gets_its_class_and_probabilities_without_its_pixels(pictures, cli):
    quick = ("--preset", "fast", "--epochs", "20", "--hidden", "8")
    code, out, _ = cli("train", pictures / "pics", *quick, "-o", pictures / "run")
    assert code == 0
    assert f"next: lamina predict {pictures}/run NEW.png\n" in out
    picture = pictures / "pics/cat/0.png"
    code, out, err = cli("predict", pictures / "run", picture)
    assert (code, err) == (0, "")
    header, row = out.splitlines()
    assert header == "file,prediction,probability_cat,probability_dog"
    name, said, cat, dog = row.split(",")
    assert (name, said) == ("0.png", "cat")
    assert float(cat) > 0.5 and float(cat) + float(dog) == pytest.approx(1)
    code, out, _ = cli("predict", pictures / "run", pictures / "pics")
    assert (
        out.splitlines()[0] == "label,prediction,probability_cat,probability_dog"
        and len(out.splitlines()) == 41
    )
