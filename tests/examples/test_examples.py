"""Every example runs as a user runs it, with little data, and learns what it claims to."""

import re
from pathlib import Path

import pytest
from documents import run_file

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments):
    """What the example prints."""
    return run_file(EXAMPLES / name, *arguments)


def last_test_accuracy(output):
    return float(re.findall(r"Test_acc ([\d.]+)", output)[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "epochs", "limit", "accuracy"),
    [
        ("mlp_gluon.py", 3, 2000, 0.75),
        ("softmax_regression.py", 2, 2000, 0.7),
        ("dropout_gluon.py", 3, 2000, 0.75),
    ],
)
def test_digits(name, epochs, limit, accuracy):
    assert last_test_accuracy(run(name, "--epochs", epochs, "--limit", limit)) > accuracy


@pytest.mark.slow
def test_dropout_from_scratch_drops_and_scales_up():
    output = run("dropout_from_scratch.py", "--epochs", 1, "--limit", 500)
    kept, dropped = (
        list(map(float, re.findall(r"\d+\.", text.partition("Epoch")[0]))) for text in output.split("half")
    )
    assert kept == list(range(20))
    assert all(y in (0, 2 * x) for x, y in zip(kept, dropped, strict=True))
    assert 0 < sum(y == 0 for y in dropped[1:]) < 19
    assert 0 <= last_test_accuracy(output) <= 1


def test_dropout_differs_in_training_only():
    lines = run("dropout_gluon.py", "--epochs", 1, "--limit", 100).splitlines()
    prediction, training = (set(re.findall(r"-?[\d.]+", line)) for line in lines[:2])
    assert len(prediction) == 1
    assert len(training) > 1


@pytest.mark.slow
def test_linear_regression_finds_the_weights():
    numbers = [
        float(x)
        for x in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", run("linear_regression.py").partition("weight:")[2])
    ]
    first, second, true_first, true_second, bias, true_bias = numbers
    assert first == pytest.approx(true_first, abs=0.02)
    assert second == pytest.approx(true_second, abs=0.02)
    assert bias == pytest.approx(true_bias, abs=0.02)


@pytest.mark.slow
@pytest.mark.pictures
def test_a_custom_layer_learns_its_size_and_its_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where its picture goes
    output = run("custom_layer.py", "--epochs", 3, "--limit", 2000)
    assert "centered: [-2. -1.  0.  1.  2.]" in output
    assert "shape=(128, 0)" in output
    assert "shape=(128, 784)" in output
    losses = [float(x) for x in re.findall(r"Maxout, epoch \d. Loss: ([\d.]+)", output)]
    assert losses[-1] < losses[0] / 2


@pytest.mark.slow
def test_all_optimizers_converge():
    rows = [line.split() for line in run("optimizers_from_scratch.py").splitlines()[1:]]
    assert [row[0] for row in rows] == [
        "sgd",
        "momentum",
        "nesterov",
        "adagrad",
        "rmsprop",
        "adadelta",
        "adam",
    ]
    for name, *losses in rows:
        assert float(losses[-1]) < 5e-3, name
