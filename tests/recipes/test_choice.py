"""How pictures are deformed is chosen by short trainings: what cannot be mirrored is not, and a choice stays."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from lamina import nd
from lamina.recipes import Digits, Settings, Training
from lamina.recipes._training import FEWEST, choice_said, chosen, divided, in_short
from lamina.runs.recipes._networks import SIDE, Deformation
from lamina.training.loop import Observer
from lamina.training.time_limit import TimeLimit

ROWS = 3000
ASKED = Settings.of("best", hidden=(8,), batch_size=100, epochs=1)


@pytest.fixture(scope="module")
def sides():
    """Pictures of a bar at one of ten places from left to right: mirrored, they are of another class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, ROWS)
    images = rng.integers(0, 40, (ROWS, SIDE, SIDE), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[8:20, 4 + 2 * label : 6 + 2 * label] = 255
    return Digits.from_arrays(images, labels)


class Stopping(Observer):
    watches_steps = True

    def on_steps(self, loop, done, of, loss):
        raise KeyboardInterrupt


def test_half_of_the_pictures_are_mirrored():
    images = np.random.default_rng(0).integers(0, 256, (200, SIDE, SIDE), np.uint8)
    nd.random.seed(0)
    still = Deformation(bend=0, turn=0, scale=0, slant=0, shift=0, mirror=True)
    found = still(nd.array(images.reshape(200, -1), dtype=np.uint8)).asnumpy().reshape(images.shape)
    is_same, is_mirrored = (
        np.abs(found - wanted).max(axis=(1, 2)) < 0.5 for wanted in (images, images[:, :, ::-1])
    )
    assert (is_same ^ is_mirrored).all() and 70 < is_same.sum() < 130


def test_pictures_that_judge_are_not_trained_on(sides):
    known, held_out = divided(sides, seed=3)
    assert len(known) == len(held_out) == ROWS // 6
    texts = [{row.tobytes() for row in part.images.asnumpy()} for part in (known, held_out)]
    assert not texts[0] & texts[1]
    again, other = divided(sides, seed=3)[0], divided(sides, seed=4)[0]
    np.testing.assert_array_equal(known.images.asnumpy(), again.images.asnumpy())
    assert (known.images.asnumpy() != other.images.asnumpy()).any()


@pytest.mark.parametrize(
    ("asked", "epochs"), [({"time_limit": 300.0}, 2), ({"epochs": 40}, 6), ({"epochs": 1}, 2)], ids=str
)
def test_short_trainings_have_a_number_of_epochs(asked, epochs):
    short = in_short(Settings.of("best", **asked))
    assert short.epochs == epochs and short.time_limit is None


@pytest.mark.slow
def test_what_cannot_be_mirrored_is_not_and_what_is_chosen_goes_on(sides):
    said = []
    whole = Training(ASKED, sides, sides, tell=said.append)
    list(whole.run())
    assert whole.progress.variant in ("bent", "moved")
    assert len(said) == 1 and said[0].startswith(f"pictures are {whole.progress.variant} at random")
    stopped = Training(ASKED, sides, sides, [Stopping()], variant=whole.progress.variant)
    resumed = Training(ASKED, sides, sides, tell=said.append)
    with pytest.raises(KeyboardInterrupt):
        list(stopped.run())
    arrays, position = stopped.state()
    resumed.restore(arrays, json.loads(json.dumps(position)))
    list(resumed.run())
    assert len(said) == 1  # nothing is chosen again
    for name, array in whole.state()[0].items():
        np.testing.assert_array_equal(resumed.state()[0][name], array)


@pytest.mark.slow
def test_a_run_of_an_earlier_version_goes_on_as_it_began(sides):
    begun = Training(ASKED, sides, sides, [Stopping()], variant="bent")
    with pytest.raises(KeyboardInterrupt):
        list(begun.run())
    arrays, position = begun.state()
    del position["variant"]
    said = []
    resumed = Training(ASKED, sides, sides, tell=said.append)
    resumed.restore(arrays, position)
    with_variant = Training(ASKED, sides, sides)
    with_variant.restore(arrays, {**position, "variant": "bent"})
    for training in (resumed, with_variant):
        list(training.run())
    assert not said
    np.testing.assert_array_equal(resumed.state()[0]["W1"], with_variant.state()[0]["W1"])


def test_a_way_that_is_unknown_is_no_state_of_this_training(sides):
    training = Training(ASKED, sides, sides)
    arrays, position = training.state()
    with pytest.raises(KeyError):
        training.restore(arrays, {**position, "variant": "<melted>"})


def test_of_few_pictures_nothing_is_chosen(sides):
    few = sides.first(FEWEST - 1)
    training = Training(ASKED, few, few, tell=pytest.fail)
    training._prepare(1)
    assert training.progress.variant == ""


def test_the_choice_is_said_with_its_numbers():
    text = choice_said({"bent": 0.38, "moved": 0.35}, "moved")
    assert (
        text == "pictures are moved at random, by the log-loss of short trainings: bent 0.3800, moved 0.3500"
    )


def test_a_loss_that_is_no_number_is_the_worst():
    assert chosen({"bent": float("nan"), "moved": 0.5}) == "moved"
    assert chosen({"bent": float("nan"), "moved": float("inf")}) == "bent"


def test_short_trainings_take_a_part_of_the_time_limit_at_most(sides):
    """Each look at the clock costs twenty seconds: the short trainings would take two thirds of the limit."""
    seconds = iter(range(0, 100_000, 20))
    limit = TimeLimit(300.0, clock=lambda: float(next(seconds)))
    said = []
    settings = replace(ASKED, epochs=None, time_limit=300.0)
    training = Training(settings, sides, sides, limit=limit, tell=said.append)
    training._prepare(1)
    assert training.progress.variant == "bent" and limit.left > 100
    assert said == ["pictures are bent at random: there is no time to compare augmentations"]


def test_short_trainings_do_not_tell_again_that_products_are_not_rounded(sides, monkeypatch):
    monkeypatch.setattr("lamina.recipes._training._work", lambda *_: 0.0)  # so little is for the CPU
    training = Training(replace(ASKED, precision="tf32"), sides, sides, device="auto")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training._loss_in_short("moved")
