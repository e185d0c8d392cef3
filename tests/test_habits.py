"""Names of PyTorch and Keras are answered with lamina's, and what is said of them can be written."""

import re
from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest

import lamina as mx
from lamina import autograd, gluon, habits, nd
from lamina.errors import LaminaError
from lamina.gluon import nn
from lamina.habits import no_member, telling


def pending_array() -> nd.NDArray:
    """An array as a loop leaves it: the queue owes its numbers."""
    x = nd.ones((2, 3))
    for _ in range(6):
        x = x * 2 + 1
    return x


ASKED: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.Linear, r"'lamina.gluon.nn' has no attribute 'Linear'\. Use nn\.Dense\(units\)"),
    (lambda: nn.ReLU, r'Use nn\.Activation\("relu"\)'),
    (lambda: nd.ReLU, r"Did you mean 'relu'\?"),
    (lambda: nn.MSELoss, r"Use gluon\.loss\.L2Loss\(\)"),
    (lambda: gluon.loss.CrossEntropyLoss, r"Use gluon\.loss\.SoftmaxCrossEntropyLoss\(\)"),
    (lambda: gluon.data.TensorDataset, r"Use gluon\.data\.ArrayDataset\(x, y\)"),
    (lambda: nd.tensor, r"Use nd\.array\(values\)"),
    (lambda: mx.zeros, r"Use lamina\.nd\.zeros"),
    (lambda: mx.Dense, r"Use lamina\.gluon\.nn\.Dense"),
    (lambda: mx.optim, r"Use gluon\.Trainer"),
    (lambda: autograd.no_grad, r"autograd\.pause\(\)"),
    (lambda: nd.ones(3).numpy(), r"'NDArray' object has no attribute 'numpy'\. Use x\.asnumpy\(\)"),
    (lambda: pending_array().numpy(), r"'NDArray' object has no attribute 'numpy'\. Use x\.asnumpy\(\)"),
    (lambda: nd.ones(3).cpu(), r"Use x\.as_in_context\(mx\.cpu\(\)\)"),
    (lambda: nd.ones(3).to("cuda"), r"Use x\.as_in_context"),
    (lambda: nd.ones(3).zero_grad(), r"'NDArray' .* backward\(\) overwrites gradients"),
    (lambda: nn.Dense(3).parameters(), r"'Dense' object has no attribute 'parameters'\. Use net\.collect_params"),
    (lambda: nn.Sequential().eval(), r"'Sequential' object .* trains inside `with autograd\.record\(\):`"),
    (lambda: gluon.Trainer([], "sgd").zero_grad(), r"'Trainer' .* backward\(\) overwrites gradients"),
    (lambda: mx.MLPClassifier().predict_interval([[1]]), r"'MLPClassifier' object .* use predict_set\(X, cov"),
    (lambda: mx.MLPRegressor().predict_proba([[1]]), r"'MLPRegressor' object .* use predict_interval\(X, cov"),
    (lambda: mx.MLPRegressor().save("model"), r"'MLPRegressor' object .* Use lamina\.save\(model, path\)"),
]  # fmt: skip


@pytest.mark.parametrize("ask, said", ASKED)
def test_a_name_of_another_library_is_answered_with_laminas(ask: Callable[[], Any], said: str) -> None:
    with pytest.raises(AttributeError, match=said):
        ask()


def test_an_import_of_another_librarys_name_says_so_too() -> None:
    with pytest.raises(ImportError, match=r"Use nn\.Dense"):
        exec("from lamina.gluon.nn import Linear")


@pytest.mark.parametrize(
    "thing",
    [nd.ones(2), nn.Dense(2), gluon.Trainer([], "sgd"), mx.MLPClassifier(), mx.MLPRegressor()],
    ids=["array", "block", "trainer", "classifier", "regressor"],
)
def test_names_of_other_libraries_are_not_there(thing: Any) -> None:
    names = habits._OF_CLASSES[
        next(c.__name__ for c in type(thing).__mro__ if c.__name__ in habits._OF_CLASSES)
    ]
    assert not [name for name in names if hasattr(thing, name)]
    assert not set(names) & set(dir(thing))


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: nn.Dense(3, input_shape=(2,)), r"Dense has no argument 'input_shape'\. Here it is called 'in_units'"),
        (lambda: nn.Dense(3, bias=False), r"Here it is called 'use_bias'"),
        (lambda: nn.Dropout(0.1, axis=0), r"Did you mean 'axes'\?"),
        (lambda: nn.BatchNorm(eps=1e-5), r"Here it is called 'epsilon'"),
        (lambda: mx.optimizer.Adam(lr=0.1), r"Adam has no argument 'lr'\. Here it is called 'learning_rate'"),
        (lambda: mx.optimizer.SGD(momentun=0.1), r"SGD has no argument 'momentun'\. Did you mean 'momentum'\?"),
        (lambda: mx.MLPRegressor(quantiles=[0.1]), r"MLPRegressor has no argument 'quantiles'\. .* 'quantile'\.$"),
        (lambda: mx.MLPClassifier(droput=0.1), r"Did you mean 'dropout'\?$"),
        (
            lambda: mx.MLPClassifier().predict([[1]], return_std=True),  # pyright: ignore[reportCallIssue]
            r"^MLPClassifier\.predict has no argument 'return_std'\. Classes .* predict_proba\(X, return_std=True\)",
        ),
        (lambda: nn.Sequential(prefx="a"), r"Sequential has no argument 'prefx'\. Did you mean 'prefix'\?"),
        (lambda: nd.sum(nd.ones(3), dim=0), r"sum has no argument 'dim'\. .* 'axis'\. Known: data, axis"),
        (lambda: nd.ones(3).mean(keepdim=True), r"mean has no argument 'keepdim'\. Here it is called 'keepdims'"),
        (lambda: nd.softmax(nd.ones(3), axs=0), r"Did you mean 'axis'\?"),
        (lambda: nn.Dense(4, 8), r"inputs are counted by in_units: Dense\(units, in_units=4\)"),
        (lambda: nn.Dense(4, nd.relu), r"the name of a function, as 'relu'"),
        (lambda: mx.save("net.params", nn.Dense(3)), r"save\(model, path\) .* not a str"),
        (lambda: mx.save(nn.Dense(3), "net.params"), r"an example of its input, .* save\(net, path, inputs=nd\.ones"),
    ],
)  # fmt: skip
def test_an_argument_of_another_library_is_answered_with_laminas(make: Callable[[], Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError, LaminaError), match=said):
        make()


def test_what_estimators_and_optimizers_call_it_is_an_argument() -> None:
    known = {*signature(mx.MLPClassifier).parameters, *signature(mx.MLPRegressor).parameters}
    assert known.issuperset(habits.ESTIMATORS_ARGUMENTS.values())
    assert known.isdisjoint(habits.ESTIMATORS_ARGUMENTS)
    assert {*signature(mx.optimizer.Optimizer).parameters, "epsilon"} >= {
        *habits.OPTIMIZERS_ARGUMENTS.values()
    }


def test_a_method_of_ones_own_goes_before_what_is_said() -> None:
    class Network(nn.Sequential):
        def train(self) -> str:
            return "training"

    net = Network()
    assert net.train() == "training" and "train" in dir(net) and "eval" not in dir(net)
    net.to = "somewhere"
    assert net.to == "somewhere" and "to" in dir(net)


def test_what_a_class_has_is_not_answered_with_something_else() -> None:
    block = type("Block", (), {"train": None})
    with pytest.raises(TypeError, match=r"Block\.train exists already"):
        telling(block)
    assert str(no_member("Block", "other")) == "'Block' object has no attribute 'other'"


def said_by_all() -> set[str]:
    tables = [*habits._OF_MODULES.values(), *habits._OF_CLASSES.values()]
    return {said for table in tables for said in table.values()}


@pytest.mark.parametrize("said", sorted(said_by_all()))
def test_what_is_said_is_there(said: str) -> None:
    """Dotted names lead somewhere from what they start with; names behind x, net and trainer are such objects' own."""
    starts: dict[str, Any] = {
        "x": nd.ones(2), "net": nn.Sequential(), "trainer": gluon.Trainer([], "sgd"),
        "mx": mx, "lamina": mx, "nd": nd, "gluon": gluon, "nn": nn, "autograd": autograd,
    }  # fmt: skip
    for start, path in re.findall(
        r"\b(x|net|trainer|mx|lamina|nd|gluon|nn|autograd)((?:\.[A-Za-z_0-9]+)+)", said
    ):
        value = starts[start]
        for name in path[1:].split("."):
            value = getattr(value, name)
