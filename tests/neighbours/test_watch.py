"""docs/how-to/watch.md: its programs note every epoch, as MLflow, TensorBoard and Weights & Biases read it."""

import json
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from documents import programs, run_program

from lamina import MLPRegressor

PAGE = Path(__file__).parents[2] / "docs/how-to/watch.md"
OF_MLFLOW, OF_TENSORBOARD, OF_WANDB = programs(PAGE.read_text())
pytestmark = pytest.mark.filterwarnings("ignore")  # what the packages say of their own parts


@pytest.fixture(scope="module")
def trained():
    X = np.random.default_rng(0).normal(size=(300, 3))
    return MLPRegressor(preset="fast", max_iter=5, random_state=0).fit(X, X[:, 0])


def needs(package):
    return pytest.mark.skipif(find_spec(package) is None, reason=f"NOT TESTED: {package} (make neighbours)")


@needs("mlflow")
def test_mlflow_has_every_epoch_and_the_settings(tmp_path, trained):
    assert run_program(OF_MLFLOW, tmp_path) == "True\n"
    import mlflow

    (run,) = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["0"])
    assert run.data.metrics["loss"] == trained.loss_curve_[-1]
    assert run.data.metrics["score"] == trained.validation_scores_[-1]
    assert run.data.params["max_iter"] == "5" and run.data.params["preset"] == "fast"


@needs("tensorboard")
def test_tensorboard_has_every_epoch(tmp_path, trained):
    run_program(OF_TENSORBOARD, tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(tmp_path / "runs/first")).Reload()
    for name, expected in {"loss": trained.loss_curve_, "score": trained.validation_scores_}.items():
        events = found.Tensors(name)
        assert [event.step for event in events] == [1, 2, 3, 4, 5]
        values = [event.tensor_proto.float_val[0] for event in events]
        np.testing.assert_array_equal(values, np.float32(expected))


def records_of(content):
    """The records of a file of LevelDB's log format behind a header of 7 bytes, as Weights & Biases write it."""
    at, record = 7, b""
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:  # a block ends with zeros
            at += 32768 - at % 32768
        _, length, kind = struct.unpack_from("<IHB", content, at)
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield record
            record = b""


@needs("wandb")
def test_wandb_has_every_epoch_and_the_settings(tmp_path, trained):
    run_program(OF_WANDB, tmp_path)
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # ends the process that writes the file

    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    history, config = [], {}
    for data in records_of(file.read_bytes()):
        record = Record.FromString(data)
        if record.HasField("history"):
            items = record.history.item
            history.append(
                {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}
            )
        for item in [*record.config.update, *record.run.config.update]:
            config[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    assert [row["_step"] for row in history] == [1, 2, 3, 4, 5]
    assert [row["loss"] for row in history] == trained.loss_curve_
    assert [row["score"] for row in history] == trained.validation_scores_
    assert config["preset"] == "fast" and config["max_iter"] == 5
