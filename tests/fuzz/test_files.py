"""Damaged and hostile files of every kind that lamina writes: each loads, or ends in an error that lamina means."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from fuzzing import Target, fuzz, outcome
from mutations import bytes_changed, tensors_changed

import lamina
from lamina import gluon
from lamina.errors import DataError, LaminaError
from lamina.estimators.persistence import FORMAT
from lamina.gluon import nn
from lamina.interchange import load_state_dict
from lamina.recipes.run import network_of_run
from lamina.runs.run_folder import open_model, open_run, read_unfinished
from lamina.support.files.mxnet_params import load_params, save_params
from lamina.support.files.tensors import load_tensors, save_tensors
from lamina.support.files.torch_file import load_torch

TESTS = Path(__file__).parents[1]
LIMITS = {"seconds": 5.0, "memory": 400 << 20, "traced": (4 << 20, 40)}
"""Of reading one file: Python's own reader of JSON takes up to 30 times its length, others 15."""


def _trained(folder):
    """A model, a checkpoint and a run of today's formats, from the files of yesterday's."""
    lamina.save(lamina.load(TESTS / "estimators/files/classifier.safetensors"), folder / "classifier")
    lamina.save(lamina.load(TESTS / "estimators/files/two_targets.safetensors"), folder / "regressor")
    arrays, metadata = load_tensors(TESTS / "training/files/table-killed/checkpoint.safetensors")
    save_tensors(folder / "checkpoint", arrays, metadata | {"format": "lamina checkpoint 2"})
    arrays, metadata = load_tensors(TESTS / "training/files/digits-checkpoint-1/model.safetensors")
    save_tensors(folder / "digits", arrays, metadata | {"format": "lamina checkpoint 2"})
    net = _net()
    _trainer(net).save_states(folder / "states")
    lamina.save(
        net, folder / "network", inputs=lamina.nd.ones((1, 3)), classes=["a", "b"], columns=["x", "y", "z"]
    )
    net.save_parameters(str(folder / "net.safetensors"))
    net.save_parameters(str(folder / "net.params"))
    save_params(folder / "list.params", [np.arange(3), np.ones((2, 2), np.float16), np.zeros((0, 3))])


def _net():
    net = nn.Dense(2, in_units=3, prefix="d_")
    net.initialize()
    return net


def _trainer(net):
    trainer = gluon.Trainer(net.collect_params(), "adam")
    with lamina.autograd.record():
        loss = net(lamina.nd.ones((1, 3))).sum()
    loss.backward()
    trainer.step(1)
    return trainer


def _read_checkpoint(path):
    return read_unfinished(path.parent)


def _read_parameters(path):
    _net().load_parameters(str(path))


def _read_state_dict(path):
    net = nn.HybridSequential()
    net.add(nn.Dense(5), nn.BatchNorm(), nn.Dense(4), nn.LayerNorm(), nn.PReLU(), nn.Dense(2))
    load_state_dict(net, path)


EARLY_RUNS = ("runs/files/regression/model.safetensors", "training/files/table-estimator-2/model.safetensors")
EARLY_CHECKPOINT = ("training/files/table-killed/checkpoint.safetensors",)
EARLY_DIGITS = ("training/files/digits-killed/model.safetensors",)

# Of each kind: what reads it, the name that a file must have, files of today, and files of before.
KINDS = {
    "model": (lamina.load, "m", ["classifier", "regressor"], ["estimators/files/multilabel.safetensors"]),
    "run": (open_run, "m", [], EARLY_RUNS),
    "network": (open_model, "m", ["network"], []),
    "checkpoint": (_read_checkpoint, "checkpoint.safetensors", ["checkpoint"], EARLY_CHECKPOINT),
    "digits": (network_of_run, "m", ["digits"], EARLY_DIGITS),
    "states": (_trainer(_net()).load_states, "m", ["states"], []),
    "parameters": (_read_parameters, "m.safetensors", ["net.safetensors"], []),
    "state_dict": (_read_state_dict, "m", [], ["interchange/fixtures/torch_state.safetensors"]),
    "torch": (
        load_torch,
        "m",
        [],
        ["interchange/fixtures/torch_state.pt", "interchange/fixtures/torch_kinds.pt"],
    ),
    "params": (load_params, "m", ["net.params", "list.params"], []),
}


@pytest.fixture(scope="module")
def today(tmp_path_factory):
    folder = tmp_path_factory.mktemp("today")
    _trained(folder)
    return folder


@pytest.mark.few(3)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_loads_or_says_what_is_wrong(kind, today, tmp_path):
    read, name, new, old = KINDS[kind]
    sources = [today / file for file in new] + [TESTS / file for file in old]
    contents = [source.read_bytes() for source in sources]
    tensors = None if kind in ("params", "torch") else [load_tensors(source) for source in sources]
    path, damaged = tmp_path / name, False

    def make(number):
        nonlocal damaged
        rng = Random(number)
        which = rng.randrange(len(sources))
        if tensors is not None and rng.random() < 0.5:
            damaged = False
            _save(path, *tensors_changed(*tensors[which], rng))
            return path.read_bytes()
        content = bytes_changed(contents[which], rng, contents)
        damaged = tensors is not None and which < len(new) and content != contents[which]
        return content

    def run(content):
        path.write_bytes(content)
        try:
            read(path)
        except LaminaError as error:
            assert str(error).isprintable()
            raise
        assert not damaged, "a change went unnoticed"

    assert fuzz(Target(kind, run, contents, make, **LIMITS)).inputs > 0


def _save(path, arrays, metadata):
    try:
        save_tensors(path, arrays, metadata)
    except TypeError:  # text that no file can hold
        save_tensors(path, arrays, {})


def _said_of(content, path):
    """What loading these bytes as a model says."""
    path.write_bytes(content)
    return outcome(Target("large", lambda _: lamina.load(path), [], **LIMITS), content, "it")


SIZE = 1 << 20


def _repeated(text, end=""):
    return text * (SIZE // len(text)) + end


LARGE = {
    "lists": '{"class": NaN, "parameters": [' + _repeated("[],", "0]}"),
    "objects": '{"class": NaN, "parameters": [' + _repeated("{},", "0]}"),
    "settings": '{"class": "MLPClassifier", "parameters": {' + _repeated('"alpha": 0.5,', '"a": 1}}'),
    "names": '{"class": "MLPClassifier", "feature_names": [' + _repeated('"ab",', '"a"]}'),
    "losses": '{"class": "MLPClassifier", "learned": {"loss_curve_": [' + _repeated("1.5,", "1]}}"),
    "columns": '{"class": "MLPClassifier", "encoder": {"version": 1, "schema": {"version": 1, "columns": ['
    + _repeated('{"name":"","kind":"id"},', "0]}}}"),
    "layers": '{"class": "MLPClassifier", "architecture": {"numbers": 1, "inputs": 1, "cardinalities": [], '
    '"outputs": 1, "hidden": [' + _repeated("1,", "1]}}"),
    "depth": _repeated("["),
    "digits": _repeated("9"),
}  # fmt: skip


@pytest.mark.few(3)
@pytest.mark.parametrize("what", LARGE)
def test_large_hostile_metadata_takes_a_small_multiple_of_its_length(what, tmp_path):
    save_tensors(tmp_path / "m", {"w": np.zeros(1)}, {"format": FORMAT, "estimator": LARGE[what]})
    assert "m is damaged: " in _said_of((tmp_path / "m").read_bytes(), tmp_path / "m")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "entry", ['"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}', '"%d":0', '"%d":[]']
)
def test_large_hostile_headers_take_a_small_multiple_of_their_length(entry, tmp_path):
    header = ("{" + ",".join(entry % i for i in range(SIZE // len(entry))) + "}").encode()
    assert "m is not" in _said_of(len(header).to_bytes(8, "little") + header, tmp_path / "m")


def test_a_hostile_file_is_told_by_the_command_line(tmp_path, capsys):
    from lamina.cli import main

    (tmp_path / "model.safetensors").write_bytes(b"\x1b" * 100)
    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(tmp_path)])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1 and said.strip().isprintable()
    with pytest.raises(DataError):
        load_tensors(tmp_path / "model.safetensors")
