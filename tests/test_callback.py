"""Callbacks and checkpoints: what they log and write, as MXNet's do."""

import logging
from pathlib import Path

import numpy as np
import pytest

import lamina as mx
from lamina import nd
from lamina.errors import DataError
from lamina.model import BatchEndParam

FIXTURES = Path(__file__).parent / "symbol/fixtures"


def after(callback, batches, metric=None):
    for i in batches:
        callback(BatchEndParam(epoch=1, nbatch=i, eval_metric=metric, locals=None))


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


def test_speed_and_metrics(said):
    metric = mx.metric.create(["acc", "mae"])
    metric.update(nd.array([1, 0]), nd.array([1, 1]))
    after(mx.callback.Speedometer(32, frequent=2, auto_reset=False), range(5), metric)
    after(mx.callback.Speedometer(32, frequent=2), range(3), metric)
    after(mx.callback.Speedometer(32, frequent=1), range(2))
    first, second, reset, bare = said()
    assert first.startswith("Epoch[1] Batch [0-2]\tSpeed: ") and first.endswith(
        "\taccuracy=0.500000\tmae=0.500000"
    )
    assert "[0-4]" in second and "[0-2]" in reset and bare.startswith("Iter[1] Batch [1]\tSpeed: ")
    assert np.isnan(metric.get()[1][0]) and metric.get_global()[1] == [0.5, 0.5]


def test_logged_metrics_and_progress(said):
    metric = mx.metric.create("acc")
    metric.update(nd.array([1, 0]), nd.array([1, 1]))
    after(mx.callback.log_train_metric(2, auto_reset=True), [0, 1], metric)
    after(mx.callback.ProgressBar(4, length=8), [1])
    metric.update(nd.array([1]), nd.array([1]))
    after(mx.callback.LogValidationMetricsCallback(), [1], metric)
    assert said() == [
        "Iter[1] Batch[0] Train-accuracy=0.500000",
        "[==------] 25%\r",
        "Epoch[1] Validation-accuracy=1.000000",
    ]


def test_checkpoints(tmp_path, said):
    symbol, arg, aux = mx.model.load_checkpoint(str(FIXTURES / "module"), 0)
    assert sorted(arg) == ["bn1_beta", "bn1_gamma", "fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"]
    assert sorted(aux) == ["bn1_moving_mean", "bn1_moving_var"]
    callback = mx.callback.do_checkpoint(str(tmp_path / "net"), period=2)
    for epoch in range(3):
        callback(epoch, symbol, arg, aux)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-0002.params", "net-symbol.json"]
    assert said() == [f'Saved checkpoint to "{tmp_path}/net-0002.params"']
    again, arg_again, aux_again = mx.model.load_checkpoint(str(tmp_path / "net"), 2)
    assert again.tojson() == symbol.tojson()
    for one, other in ((arg, arg_again), (aux, aux_again)):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name].asnumpy(), other[name].asnumpy()) for name in one)


def test_files_that_are_no_checkpoint(tmp_path):
    nd.save(tmp_path / "net-0000.params", {"weight": nd.ones(1)})
    with pytest.raises(DataError, match="no array is named 'arg:"):
        mx.model.load_params(tmp_path / "net", 0)


def test_a_modules_checkpoint():
    class Module:
        calls: list = []  # noqa: RUF012 - of one test

        def save_checkpoint(self, *args):
            self.calls.append(args)

    callback = mx.callback.module_checkpoint(Module(), "m", period=2, save_optimizer_states=True)
    for epoch in range(4):
        callback(epoch)
    assert Module.calls == [("m", 2, True), ("m", 4, True)]
