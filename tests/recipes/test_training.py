"""Training: what it computes, and that stopping it anywhere loses nothing."""

import dataclasses
import json

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.errors import LaminaError, NonFiniteLossError, ParameterError, ShapeError
from lamina.recipes import ChapterNetwork, Digits, Settings, Training, evaluate
from lamina.training.loop import Observer

SETTINGS = Settings(hidden=(16,), epochs=2, batch_size=8, lr=0.005, seed=3)
ROWS = 1003  # 126 steps an epoch, in three stretches; the last batch has 3 rows


def made_digits(rows, seed):
    """Images whose brightest of ten bands is their label, with noise."""
    source = np.random.default_rng(seed)
    labels = source.integers(0, 10, rows)
    images = source.integers(0, 120, (rows, 28, 28))
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 3] += 130
    return Digits.from_arrays(images.astype(np.uint8), labels.astype(np.uint8))


@pytest.fixture(scope="module")
def data():
    return made_digits(ROWS, 0), made_digits(200, 1)


@pytest.fixture(scope="module")
def finished(data):
    training = Training(SETTINGS, *data)
    list(training.run())
    return training


def arrays_of(training):
    return training.state()[0]


class Stopping(Observer):
    """Presses Ctrl-C after some stretches."""

    watches_steps = True

    def __init__(self, stretches):
        self._left = stretches

    def on_steps(self, loop, done, of, loss):
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_it_learns(finished):
    last = finished.past[-1]
    assert [epoch.number for epoch in finished.past] == [1, 2]
    assert last.scores["test_accuracy"] > 0.8
    assert last.loss < finished.past[0].loss
    assert 0 < last.scores["train_seconds"] < last.seconds


def test_the_same_settings_give_the_same_bits(data, finished):
    again = Training(SETTINGS, *data)
    list(again.run())
    assert_same(arrays_of(again), arrays_of(finished))


def test_another_seed_gives_another_network(data, finished):
    other = Training(dataclasses.replace(SETTINGS, seed=4, epochs=1), *data)
    list(other.run())
    assert not np.array_equal(arrays_of(other)["W1"], arrays_of(finished)["W1"])


@pytest.mark.parametrize("stretches", [1, 2, 3, 4, 6])
def test_interrupted_and_resumed_equals_uninterrupted(data, finished, stretches):
    training = Training(SETTINGS, *data, [Stopping(stretches)])
    with pytest.raises(KeyboardInterrupt):
        list(training.run())
    arrays, position = training.state()
    resumed = Training(SETTINGS, *data)
    resumed.restore(arrays, json.loads(json.dumps(position)))
    list(resumed.run())
    assert_same(arrays_of(resumed), arrays_of(finished))
    for epoch, expected in zip(resumed.past, finished.past, strict=True):
        assert (epoch.number, epoch.loss) == (expected.number, expected.loss)
        assert epoch.scores | {"train_seconds": 0} == expected.scores | {"train_seconds": 0}


def test_the_moving_loss_is_the_chapters(data):
    """Against the chapter's loop, written out with the same initial parameters and batches."""
    training = Training(dataclasses.replace(SETTINGS, epochs=1), *data)
    parameters = [nd.array(array) for array in arrays_of(training).values()]
    for parameter in parameters:
        parameter.attach_grad()
    W1, b1, W2, b2 = parameters
    order = training._order(0)
    list(training.run())
    moving_loss = None
    for start in range(0, ROWS, SETTINGS.batch_size):
        rows = order[start : start + SETTINGS.batch_size]
        X = nd.array(data[0].images.asnumpy()[rows] / 255)
        y = nd.one_hot(nd.array(data[0].labels.asnumpy()[rows]), 10)
        with autograd.record():
            linear = nd.dot(X, W1) + b1
            scores = nd.dot(nd.maximum(linear, nd.zeros_like(linear)), W2) + b2
            loss = -nd.nansum(y * nd.log_softmax(scores), axis=0, exclude=True)
        loss.backward()
        for parameter in parameters:
            parameter[:] = parameter - SETTINGS.lr * parameter.grad
        value = nd.mean(loss).asscalar()
        moving_loss = value if moving_loss is None else 0.99 * moving_loss + 0.01 * value
    assert training.past[0].loss == pytest.approx(float(moving_loss), rel=1e-4)
    for name, parameter in zip(("W1", "b1", "W2", "b2"), parameters, strict=True):
        np.testing.assert_allclose(arrays_of(training)[name], parameter.asnumpy(), rtol=1e-3, atol=1e-4)


def test_divergence_names_the_step_and_keeps_the_last_good_state(data):
    training = Training(dataclasses.replace(SETTINGS, lr=1e20), *data)
    with pytest.raises(
        NonFiniteLossError, match=r"at step \d+ of epoch 1 .* lower learning rate than 1e\+20"
    ):
        list(training.run())
    assert training.progress.batch == 0
    assert all(np.isfinite(array).all() for array in arrays_of(training).values())


def test_the_step_that_is_named_is_the_first_bad_one(data):
    training = Training(SETTINGS, *data)
    with pytest.raises(NonFiniteLossError, match=r"became nan at step 3 of epoch 1 \(step 3 in all\)"):
        training._check([0.5, 0.4, float("nan"), float("nan")])


def test_overflowed_parameters_are_noticed_before_the_loss(data):
    training = Training(SETTINGS, *data)
    training.network.parameters["b1"][:] = float("inf")
    with pytest.raises(NonFiniteLossError, match="parameters overflowed at step 2"):
        training._check([0.5, 0.4])


def test_evaluate_agrees_with_numpy(data, finished):
    accuracy, loss, probabilities = evaluate(finished.network, data[1])
    labels = data[1].labels.asnumpy().astype(int)
    chosen = probabilities[np.arange(len(labels)), labels]
    assert accuracy == (probabilities.argmax(axis=1) == labels).mean()
    assert loss == pytest.approx(-np.log(chosen).mean(), rel=1e-4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": (16, 0)}, "at least 1 unit"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"lr": 0.0}, "lr must be a positive number"),
        ({"lr": float("nan")}, "lr must be a positive number"),
        ({"lr": float("inf")}, "lr must be a positive number"),
        ({"seed": -1}, "seed must be"),
        ({"recipe": "secret"}, "unknown recipe 'secret'; known: default, chapter"),
    ],
)
def test_settings_that_make_no_sense(change, message):
    with pytest.raises(LaminaError, match=message):
        dataclasses.replace(SETTINGS, **change)


def test_no_hidden_layer_is_softmax_regression(data):
    training = Training(dataclasses.replace(SETTINGS, hidden=(), epochs=1), *data)
    list(training.run())
    assert set(arrays_of(training)) == {"W1", "b1"}
    assert training.past[0].scores["test_accuracy"] > 0.5


def test_loading_other_parameters_is_refused():
    network = ChapterNetwork([784, 8, 10])
    with pytest.raises(ParameterError, match="W1, W2, b1, b2"):
        network.load({"W1": np.zeros((784, 8), np.float32)})
    with pytest.raises(ShapeError, match=r"W2 has shape \(8, 10\), not \(9, 10\)"):
        network.load({**network.arrays(), "W2": np.zeros((9, 10), np.float32)})


def test_images_of_other_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"\(5, 20, 20\)"):
        Digits.from_arrays(np.zeros((5, 20, 20), np.uint8), np.zeros(5, np.uint8))
