"""Every command takes every model that lamina saved, and says of it what `predict` in Python says."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lamina
from lamina import gluon, nd
from lamina.cli import main
from lamina.errors import DataError, LaminaError
from lamina.files.tensors import load_tensors, save_tensors
from lamina.gluon import nn
from lamina.runs.run_folder import open_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = 2 * X[:, 0] + X[:, 1]
KIND = np.where(Y > 0, "high", "low")
FRAME = pl.DataFrame(X, schema=["a", "b", "c", "d"], orient="row")


def _estimator(kind, *data):
    return kind(preset="fast", members=1, hidden_layer_sizes=8, max_iter=3, random_state=0).fit(*data)


def _network(outputs, last=None):
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="relu"), nn.BatchNorm(), nn.Dense(outputs, activation=last))
    net.initialize(lamina.init.Xavier())
    return net


def _softmax(x):
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    FRAME.with_columns(price=Y, kind=pl.Series(KIND)).write_csv("both.csv")
    FRAME.with_columns(price=Y).write_csv("price.csv")
    FRAME.with_columns(kind=pl.Series(KIND)).write_csv("kind.csv")

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        said = capsys.readouterr()
        if ended.value.code:
            raise AssertionError(said.err)
        return said.out

    def error(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        assert ended.value.code == 2
        return capsys.readouterr().err

    run.error = error
    return run


def _lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_an_estimator_fitted_on_a_frame_knows_its_columns_and_the_target(command):
    model = _estimator(lamina.MLPRegressor, FRAME, pl.Series("price", Y))
    lamina.save(model, "m.safetensors")
    predicted = [
        one["prediction"] for one in _lines(command("predict", "m.safetensors", "price.csv", "--json"))
    ]
    np.testing.assert_array_equal(predicted, model.predict(FRAME))
    found = json.loads(command("evaluate", "m.safetensors", "price.csv", "--json"))
    assert found["metrics"]["r2"] == pytest.approx(model.score(FRAME, Y))
    assert "regression of 'price'" in command("inspect", "m.safetensors")
    assert json.loads(command("inspect", "m.safetensors", "--json"))["results"] is None
    explained = _lines(
        command("explain", "m.safetensors", "price.csv", "--background", "price.csv", "--json")
    )
    assert [one["explained"] for one in explained] == predicted
    assert "--background" in command.error("explain", "m.safetensors", "price.csv")


def test_an_estimator_fitted_on_arrays_takes_columns_in_their_order(command):
    model = _estimator(lamina.MLPClassifier, X, KIND)
    lamina.save(model, "m.safetensors")
    predicted = _lines(command("predict", "m.safetensors", "kind.csv", "--target", "kind", "--json"))
    assert [one["prediction"] for one in predicted] == model.predict(X).tolist()
    np.testing.assert_array_equal(
        [[one["probability_high"], one["probability_low"]] for one in predicted], model.predict_proba(X)
    )
    found = json.loads(command("evaluate", "m.safetensors", "kind.csv", "-t", "kind", "--json"))
    assert found["metrics"]["accuracy"] == pytest.approx(model.score(X, KIND))
    told = command("inspect", "m.safetensors")
    assert "'target': the file does not name it" in told
    assert "columns: without names in training" in told
    assert "add --target NAME" in command.error("evaluate", "m.safetensors", "kind.csv")
    assert "this table has 5 columns besides 'kind'" in command.error(
        "predict", "m.safetensors", "both.csv", "--target", "kind"
    )
    told = command.error("predict", "m.safetensors", "both.csv")
    assert "this table has 6 columns: " in told and "None" not in told


def test_columns_called_as_arrays_columns_are_found_by_name(command):
    model = _estimator(lamina.MLPRegressor, X, Y)
    lamina.save(model, "m.safetensors")
    pl.DataFrame(X[:, ::-1], schema=["x3", "x2", "x1", "x0"], orient="row").write_csv("turned.csv")
    predicted = [
        one["prediction"] for one in _lines(command("predict", "m.safetensors", "turned.csv", "--json"))
    ]
    np.testing.assert_array_equal(predicted, model.predict(X))


def test_several_targets_and_labels_have_a_column_each(command):
    targets = _estimator(lamina.MLPRegressor, X, np.c_[Y, -Y])
    labels = _estimator(lamina.MLPClassifier, X, np.c_[Y > 0, X[:, 2] > 0].astype(int))
    lamina.save(targets, "targets.safetensors")
    lamina.save(labels, "labels.safetensors")
    found = _lines(command("predict", "targets.safetensors", "price.csv", "-t", "price", "--json"))
    np.testing.assert_array_equal(
        [[one["prediction_0"], one["prediction_1"]] for one in found], targets.predict(X)
    )
    found = _lines(command("predict", "labels.safetensors", "price.csv", "-t", "price", "--json"))
    np.testing.assert_array_equal(
        [[one["prediction_0"], one["prediction_1"]] for one in found], labels.predict(X)
    )
    assert "predicts 2 numbers per row" in command.error(
        "evaluate", "targets.safetensors", "price.csv", "-t", "price"
    )


@pytest.mark.parametrize(("outputs", "last"), [(2, None), (2, "softmax"), (1, None), (1, "sigmoid")], ids=str)
def test_a_network_with_classes_gives_its_own_probabilities(command, outputs, last):
    net = _network(outputs, last if last == "sigmoid" else None)
    if last == "softmax":
        net.add(nn.HybridLambda(lambda F, x: F.softmax(x)))
    net(nd.ones((1, 4)))
    rows = nd.array(X)
    lamina.save(net, "net.safetensors", inputs=rows[:1], classes=["high", "low"], target="kind")
    raw = net(rows).asnumpy().astype(np.float64)
    of_second = raw if last == "sigmoid" else 1 / (1 + np.exp(-raw))
    wanted = np.c_[1 - of_second, of_second] if outputs == 1 else raw if last == "softmax" else _softmax(raw)
    found = _lines(command("predict", "net.safetensors", "kind.csv", "--json"))
    np.testing.assert_allclose(
        [[one["probability_high"], one["probability_low"]] for one in found], wanted, rtol=1e-5, atol=1e-7
    )
    assert json.loads(command("evaluate", "net.safetensors", "kind.csv", "--json"))["metrics"][
        "accuracy"
    ] == (np.mean(np.array(["high", "low"])[wanted.argmax(axis=1)] == KIND))


def test_a_network_without_classes_predicts_numbers_from_columns_that_have_names(command):
    net = _network(1)
    lamina.save(net, "net.safetensors", inputs=nd.ones((1, 4)), columns=["d", "c", "b", "a"], target="price")
    found = _lines(command("predict", "net.safetensors", "price.csv", "--json"))
    wanted = net(nd.array(X[:, ::-1])).asnumpy()[:, 0]
    np.testing.assert_allclose([one["prediction"] for one in found], wanted, rtol=1e-5)
    told = command("inspect", "net.safetensors")
    assert "a Gluon network of 4 numbers a row, float32" in told
    assert "'d', 'c', 'b', 'a'" in told
    explained = _lines(
        command("explain", "net.safetensors", "price.csv", "--background", "price.csv", "--json")
    )
    np.testing.assert_allclose(
        [one["mean"] + sum(one[f"adds_{name}"] for name in "abcd") for one in explained],
        [one["explained"] for one in explained],
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_a_network_of_matrices_and_of_whole_numbers(command):
    net = nn.HybridSequential()
    net.add(nn.Embedding(10, 3), nn.Flatten(), nn.Dense(2))
    net.initialize()
    rows = RNG.integers(0, 10, (20, 2, 2)).astype(np.int32)
    lamina.save(net, "net.safetensors", inputs=nd.array(rows[:1], dtype="int32"))
    pl.DataFrame(rows.reshape(20, 4)).write_csv("rows.csv")
    found = _lines(command("predict", "net.safetensors", "rows.csv", "--json"))
    np.testing.assert_allclose(
        [[one["prediction_0"], one["prediction_1"]] for one in found],
        net(nd.array(rows, dtype="int32")).asnumpy(),
        rtol=1e-5, atol=1e-7,
    )  # fmt: skip


def test_a_loaded_network_is_the_one_that_was_saved_and_trains_on(tmp_path):
    net = _network(2)
    rows = nd.array(X)
    lamina.save(net, tmp_path / "net.safetensors", inputs=rows[:1])
    again = lamina.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again(rows).asnumpy(), net(rows).asnumpy())
    trainer = gluon.Trainer(again.collect_params(), "sgd", {"learning_rate": 0.1})
    before = again(rows).asnumpy()
    with lamina.autograd.record():
        loss = (again(rows) ** 2).mean()
    loss.backward()
    trainer.step(1)
    assert not np.array_equal(again(rows).asnumpy(), before)


def test_missing_values_are_refused_where_a_network_has_no_rule(command):
    lamina.save(_network(1), "net.safetensors", inputs=nd.ones((1, 4)))
    pl.DataFrame({"a": [1.0, 2.0], "b": [1.0, None], "c": [1.0, 1.0], "d": [0.0, 0.0]}).write_csv("gaps.csv")
    assert "column 'x1' is empty in" in command.error("predict", "net.safetensors", "gaps.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give an example of its input"),
        ({"inputs": nd.ones(4)}, "its first axis must be rows"),
        (
            {"inputs": nd.ones((1, 4)), "columns": ["a"]},
            "columns has 1 names, but a row of the network's input has 4",
        ),
        (
            {"inputs": nd.ones((1, 4)), "columns": ["a", "b", "a", "c"]},
            "columns has the name 'a' twice, but tables' columns are found by their names",
        ),
        (
            {"inputs": nd.ones((1, 4)), "classes": [1, 2, 3]},
            "3 classes, but the network returns 2 numbers per row",
        ),
    ],
)
def test_what_does_not_fit_a_network_is_said_when_it_is_saved(tmp_path, options, message):
    with pytest.raises(LaminaError, match=message):
        lamina.save(_network(2), tmp_path / "net.safetensors", **options)
    assert not list(tmp_path.iterdir())


def test_what_only_estimators_know_is_refused_of_a_network(command):
    lamina.save(_network(1), "net.safetensors", inputs=nd.ones((1, 4)))
    assert "held-out rows" in command.error(
        "predict", "net.safetensors", "price.csv", "-t", "price", "--interval", "0.9"
    )
    assert "member" in command.error("predict", "net.safetensors", "price.csv", "-t", "price", "--std")
    assert "Gluon network" in command.error("export", "net.safetensors", "--html", "page.html")


def test_independent_probabilities_are_no_classes(tmp_path):
    with pytest.raises(LaminaError, match="a sigmoid of 2 numbers"):
        lamina.save(_network(2, "sigmoid"), tmp_path / "n", inputs=nd.ones((1, 4)), classes=["a", "b"])


def test_what_cannot_be_saved_is_said(tmp_path):
    with pytest.raises(TypeError, match="an MLPClassifier, an MLPRegressor or a Gluon network"):
        lamina.save([1.0], tmp_path / "m.safetensors")
    with pytest.raises(TypeError, match="classes is only for a Gluon network"):
        lamina.save(lamina.MLPRegressor(), tmp_path / "m.safetensors", classes=[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, texts: texts.update(network="{}"),
        lambda arrays, texts: texts.update(network=texts["network"].replace("[4]", "[1000000000]")),
        lambda arrays, texts: texts.update(network=texts["network"].replace("[4]", "[5]")),
        lambda arrays, texts: texts.update(network=texts["network"].replace("float32", "object")),
        lambda arrays, texts: texts.update(symbol=texts["symbol"].replace("FullyConnected", "Custom")),
        lambda arrays, texts: arrays.popitem(),
        lambda arrays, texts: next(iter(arrays.values())).fill(np.nan),
    ],
)
def test_a_network_that_says_something_else_is_damaged(tmp_path, change):
    file = tmp_path / "net.safetensors"
    lamina.save(_network(2), file, inputs=nd.ones((1, 4)))
    arrays, texts = load_tensors(file)
    change(arrays, texts)
    save_tensors(file, arrays, texts)
    with pytest.raises(DataError, match=r"net\.safetensors is damaged"):
        open_model(file)


EARLY = Path(__file__).parent / "networks/format-1.safetensors"
EARLY_LABELS = ["high", "high"]
EARLY_OUTPUTS = [[-0.753938615322113, 1.851318359375]]


def test_a_network_of_an_earlier_version_predicts_what_it_did():
    model, _ = open_model(EARLY)
    assert (model.target.name, [column.name for column in model.schema.columns]) == ("kind", ["a", "b"])
    assert model.estimator.predict(pl.DataFrame({"a": [0.5, -1.0], "b": [2.0, 3.0]})).tolist() == EARLY_LABELS
    np.testing.assert_allclose(lamina.load(EARLY)(nd.array([[0.5, 2.0]])).asnumpy(), EARLY_OUTPUTS, rtol=1e-6)


def test_a_network_of_a_newer_version_says_so(tmp_path):
    arrays, texts = load_tensors(EARLY)
    save_tensors(tmp_path / "net.safetensors", arrays, {**texts, "format": "lamina network 2"})
    for read in (lamina.load, open_model):
        with pytest.raises(DataError, match="it was written by a newer lamina"):
            read(tmp_path / "net.safetensors")


def test_what_holds_no_model_says_how_one_is_written(command):
    net = _network(2)
    net(nd.ones((1, 4)))
    net.save_parameters("weights.safetensors")
    net.hybridize()
    net(nd.ones((1, 4)))
    net.export("net")
    for command_name in ("predict", "evaluate", "explain", "serve"):
        data = [] if command_name == "serve" else ["price.csv"]
        assert "has arrays but no model" in command.error(command_name, "weights.safetensors", *data)
        assert "lamina.save(net, 'net.safetensors'" in command.error(command_name, "net-symbol.json", *data)
    assert "name a file, such as weights.safetensors" in command.error("inspect", ".")
