"""`gluon.contrib.estimator`: numbers, logs and files that MXNet 1.9.1 gave for the same programs."""

import io
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, gluon, nd
from lamina.gluon.contrib.estimator import (
    BatchEnd,
    BatchProcessor,
    CheckpointHandler,
    EarlyStoppingHandler,
    EpochEnd,
    Estimator,
    GradientUpdateHandler,
    LoggingHandler,
    TrainBegin,
    ValidationHandler,
    estimator,
)

ROWS = np.random.RandomState(0).randn(40, 6).astype("float32")
CLASSES = (ROWS[:, 0] > 0).astype("float32")


def batches(count: int = 40) -> Any:
    return gluon.data.DataLoader(gluon.data.ArrayDataset(ROWS[:count], CLASSES[:count]), batch_size=8)


def made(seed: int = 0, context: Any = None, **settings: Any) -> tuple[Any, io.StringIO]:
    net, random = gluon.nn.HybridSequential(), np.random.RandomState(seed)
    net.add(gluon.nn.Dense(5, activation="relu", in_units=6), gluon.nn.Dense(2, in_units=5))
    net.initialize(ctx=context)
    for parameter in net.collect_params().values():
        parameter.set_data(nd.array(random.randn(*parameter.list_data()[0].shape) * 0.3))
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    found = estimator.Estimator(net, loss, trainer=trainer, context=context, **settings)
    log = io.StringIO()
    found.logger.handlers = [logging.StreamHandler(log)]
    return found, log


def bias(one: Any) -> list[float]:
    return one.net[0].bias.data(one.context[0]).asnumpy().round(4).tolist()


VALIDATED = [-0.1056, -0.1636, -0.5232, -0.7189, -0.0038]
LOGGED = """\
Training begin: using optimizer SGD with current learning rate 0.1000 
Train for 2 epochs.
[Epoch 0] Begin, current learning rate: 0.1000
[Epoch 0][Batch 0][Samples 8] time/interval: # training accuracy: 0.2500, training softmaxcrossentropyloss: 1.5643
[Epoch 0][Batch 2][Samples 24] time/interval: # training accuracy: 0.3750, training softmaxcrossentropyloss: 1.0120
[Epoch 0][Batch 4][Samples 40] time/interval: # training accuracy: 0.4750, training softmaxcrossentropyloss: 0.8638
Validation Begin
[Epoch 0] Finished in #, validation accuracy: 0.6250, validation softmaxcrossentropyloss: 0.5413
[Epoch 0] Finished in #, training accuracy: 0.4750, training softmaxcrossentropyloss: 0.8638
[Epoch 1] Begin, current learning rate: 0.1000
[Epoch 1][Batch 0][Samples 48] time/interval: # training accuracy: 1.0000, training softmaxcrossentropyloss: 0.3292
[Epoch 1][Batch 2][Samples 64] time/interval: # training accuracy: 0.6250, training softmaxcrossentropyloss: 0.5334
[Epoch 1][Batch 4][Samples 80] time/interval: # training accuracy: 0.7000, training softmaxcrossentropyloss: 0.5254
Validation Begin
[Epoch 0] Finished in #, validation accuracy: 0.8125, validation softmaxcrossentropyloss: 0.4266
[Epoch 1] Finished in #, training accuracy: 0.7000, training softmaxcrossentropyloss: 0.5254
Train finished using total # with 2 epochs. training accuracy: 0.7000, training softmaxcrossentropyloss: 0.5254
"""  # noqa: W291 - as MXNet writes it


def in_the_log(text: str) -> str:
    return re.sub(r"\d[\d.]*s\b", "#", re.sub(r"softmaxcrossentropyloss\d+", "softmaxcrossentropyloss", text))


@pytest.mark.parametrize("devices", [1, 2])
def test_training_and_its_log(devices: int) -> None:
    one, log = made(context=[mx.cpu(i) for i in range(devices)])
    handler = LoggingHandler(log_interval=2, metrics=one.train_metrics)
    one.fit(batches(), val_data=batches(16), epochs=2, event_handlers=[handler])
    assert bias(one) == pytest.approx(VALIDATED, abs=2e-4)
    assert in_the_log(log.getvalue()) == LOGGED


@pytest.mark.parametrize(
    ("mode", "settings", "expected", "epochs"),
    [
        ("max", {"patience": 1}, [-0.1325, -0.137], 4),
        ("max", {"patience": 2, "min_delta": 0.01}, [-0.0449, 0.0437], 7),
        ("max", {"patience": 1, "baseline": 0.7}, [-0.0267, -0.0793], 1),
        ("min", {"patience": 1}, [-0.029, 0.0965], 8),
        ("auto", {"patience": 2, "min_delta": 0.01}, [-0.1569, -0.1687], 3),
    ],
)
@pytest.mark.filterwarnings("ignore:`greater` operator:UserWarning")
def test_it_stops_early(mode: str, settings: dict[str, Any], expected: list[float], epochs: int) -> None:
    one, log = made()
    monitor = one.val_metrics[0] if mode == "max" else one.train_metrics[1]
    handler = EarlyStoppingHandler(monitor, mode=mode, **settings)
    one.fit(batches(), val_data=batches(16), epochs=8, event_handlers=[handler])
    assert bias(one)[:2] == pytest.approx(expected, abs=2e-4)
    assert log.getvalue().count("Validation Begin") == epochs


CHECKPOINTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "epochs": ({}, ["epoch0batch5", "epoch1batch10", "epoch2batch15", "epoch3batch20"]),
    "best": ({"save_best": True, "mode": "max", "max_checkpoints": 2}, ["best", "epoch2batch15", "epoch3batch20"]),
    "batches": (
        {"epoch_period": None, "batch_period": 3, "max_checkpoints": 3},
        ["epoch2batch11", "epoch2batch14", "epoch3batch17"],
    ),
    "both": (
        {"epoch_period": 2, "batch_period": 7}, ["epoch1batch10", "epoch1batch6", "epoch2batch13", "epoch3batch20"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_files(name: str, tmp_path: Path) -> None:
    settings, expected = CHECKPOINTS[name]
    one, _ = made()
    handler = CheckpointHandler(str(tmp_path / "new"), "m", one.val_metrics[0], **settings)
    one.fit(batches(), val_data=batches(16), epochs=4, event_handlers=[handler])
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == sorted(
        ["m-symbol.json", *(f"m-{each}.{suffix}" for each in expected for suffix in ("params", "states"))]
    )


def test_training_goes_on_from_the_last_file(tmp_path: Path) -> None:
    one, _ = made()
    one.fit(batches(), epochs=5)
    first, _ = made()
    first.fit(batches(), epochs=2, event_handlers=CheckpointHandler(str(tmp_path)))
    second, log = made(seed=3)
    handler = CheckpointHandler(str(tmp_path), resume_from_checkpoint=True)
    second.fit(batches(), epochs=5, event_handlers=[handler])
    assert np.array_equal(second.net[0].weight.data().asnumpy(), one.net[0].weight.data().asnumpy())
    assert "goes on from" in log.getvalue() and (tmp_path / "model-epoch4batch25.params").exists()
    with pytest.raises(ValueError, match="model-epoch4batch25 is the end of the training"):
        second.fit(batches(), epochs=5, event_handlers=[handler])


def test_handlers_and_passes_of_ones_own() -> None:
    class Seen(TrainBegin, BatchEnd, EpochEnd):
        def __init__(self) -> None:
            self.log: list[str] = []

        def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
            self.log.append("train")

        def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
            self.log.append(",".join(sorted(kwargs)))
            return len(self.log) == 3

        def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
            self.log.append("epoch")
            return True

    class Double(BatchProcessor):
        def fit_batch(self, estimator: Any, train_batch: Any, batch_axis: int = 0) -> Any:
            data, label = self._get_data_and_label(train_batch, estimator.context, batch_axis)
            with autograd.record():
                pred = [estimator.net(2 * x) for x in data]
                loss = [estimator.loss(found, y) for found, y in zip(pred, label, strict=True)]
            autograd.backward(loss)
            return data, label, pred, loss

    class Never(GradientUpdateHandler):
        def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
            assert kwargs["pred"][0].shape == (8, 2)

    one, log = made(batch_processor=Double())
    before, seen = bias(one), Seen()
    one.fit(batches(), epochs=9, event_handlers=[seen, Never()])
    assert seen.log == ["train", "batch,label,loss,pred", "batch,label,loss,pred", "epoch"]
    assert bias(one) == before
    one.fit(
        batches(),
        batches=7,
        event_handlers=[ValidationHandler(batches(16), one.evaluate, epoch_period=None, batch_period=3)],
    )
    assert log.getvalue().count("Validation Begin") == 2 and "Train for 7 batches." in log.getvalue()


def test_defaults() -> None:
    net = gluon.nn.Dense(1)
    with pytest.warns(UserWarning, match="default SGD optimizer with learning rate 0.001"):
        one = Estimator(net, gluon.loss.L2Loss(), initializer=mx.init.One())
    assert [metric.name for metric in one.val_metrics] == ["validation l2loss"]
    with pytest.warns(UserWarning, match="already fully initialized"):
        Estimator(net, gluon.loss.L2Loss(), initializer=mx.init.One(), trainer=one.trainer)


WRONG: dict[str, tuple[str, Callable[[], Any]]] = {
    "loss": ("a loss is a gluon.loss.Loss, not 3", lambda: Estimator(gluon.nn.Dense(1), 3)),  # pyright: ignore[reportArgumentType]
    "metrics": ("metrics is a metric such as", lambda: made(train_metrics="acc")),
    "processor": ("must have the method fit_batch", lambda: made(batch_processor=3)),
    "loader": ("train_data is a gluon.data.DataLoader, not ndarray", lambda: made()[0].fit(ROWS, epochs=1)),
    "neither": ("pass either epochs or batches", lambda: made()[0].fit(batches())),
    "handlers": ("event_handlers is an EventHandler", lambda: made()[0].fit(batches(), epochs=1, event_handlers=3)),
    "others": (
        "LoggingHandler has the metric 'accuracy'; use those of",
        lambda: made()[0].fit(batches(), epochs=1, event_handlers=[LoggingHandler(metrics=mx.metric.Accuracy())]),
    ),
    "interval": ("log_interval is a number of batches", lambda: LoggingHandler("x")),
    "monitor": ("monitor is one of estimator.train_metrics", lambda: EarlyStoppingHandler(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors_say_what_to_do(name: str) -> None:
    said, call = WRONG[name]
    with pytest.raises(ValueError, match=said):
        call()


def test_a_training_by_epochs_goes_on_by_epochs(tmp_path: Path) -> None:
    handler = CheckpointHandler(str(tmp_path), batch_period=3, resume_from_checkpoint=True)
    with pytest.raises(mx.MXNetError, match="goes on by epochs"):
        made()[0].fit(batches(), epochs=1, event_handlers=[handler])
