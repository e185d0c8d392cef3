"""The files of a run on a table hold what predictions need, once."""

import json
from pathlib import Path

import pytest

from lamina.errors import DataError
from lamina.files.tensors import load_tensors, save_tensors
from lamina.runs.run_folder import open_run, read_unfinished, save_run

FILES = Path(__file__).parents[1]
DETAILS = open_run(FILES / "runs/files/regression")[1]


def _save(folder, model):
    save_run(folder, model, DETAILS["settings"], DETAILS["results"], [])


@pytest.mark.parametrize("target", ["number", "name"])
def test_the_schema_of_a_run_is_that_of_its_network_with_the_target(trained_on, target, tmp_path):
    _, prepared, trained = trained_on(target)
    _save(tmp_path, trained.model)
    model, _ = open_run(tmp_path)
    assert model.schema == trained.model.schema == model.estimator.fitted_.encoder.schema
    assert model.target == prepared.target
    columns = prepared.schema.columns
    assert [(c.name, c.type, c.reason) for c in model.schema.columns] == [
        (c.name, c.type, c.reason) for c in columns
    ]
    assert "schema" not in json.loads(load_tensors(tmp_path / "model.safetensors")[1]["table"])


def test_a_run_without_a_target_is_damaged(trained_on, tmp_path):
    _, _, trained = trained_on("number")
    _save(tmp_path, trained.model)
    file = tmp_path / "model.safetensors"
    arrays, metadata = load_tensors(file)
    estimator = json.loads(metadata["estimator"])
    estimator["encoder"]["schema"]["target"] = None
    save_tensors(file, arrays, {**metadata, "estimator": json.dumps(estimator)})
    with pytest.raises(DataError, match="damaged: it lacks the target"):
        open_run(file)


def _changed(details, *keys, to):
    details = json.loads(json.dumps(details))
    place = details
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    return details


@pytest.mark.parametrize(
    "details",
    [
        {},
        [],
        _changed(DETAILS, "more", to=1),
        _changed(DETAILS, "settings", "options", to=None),
        _changed(DETAILS, "settings", "options", "delimiter", to=3),
        _changed(DETAILS, "settings", "kinds", to={"x": "evil"}),
        _changed(DETAILS, "results", "metrics", to=[]),
        _changed(DETAILS, "results", "rows", "test", to=-1),
        _changed(DETAILS, "results", "interrupted", to="no"),
    ],
    ids=str,
)
def test_a_run_that_says_something_else_is_damaged(trained_on, tmp_path, details):
    _, _, trained = trained_on("number")
    _save(tmp_path, trained.model)
    arrays, metadata = load_tensors(tmp_path / "model.safetensors")
    save_tensors(tmp_path / "model.safetensors", arrays, {**metadata, "table": json.dumps(details)})
    with pytest.raises(DataError, match=r"model\.safetensors is damaged: "):
        open_run(tmp_path)


def _checkpoint(folder, change=lambda request, trainer, arrays: None):
    arrays, metadata = load_tensors(FILES / "training/files/table-killed/checkpoint.safetensors")
    request, position = json.loads(metadata["request"]), json.loads(metadata["position"])
    change(request, position["trainer"], arrays)
    texts = {"request": json.dumps(request), "position": json.dumps(position)}
    save_tensors(folder / "checkpoint.safetensors", arrays, {**metadata, **texts})


DAMAGES = {
    "a wide layer": lambda request, trainer, arrays: request.update(hidden=[1_500_000]),
    "many layers": lambda request, trainer, arrays: request.update(hidden=[4] * 100_000),
    "a layer too few": lambda request, trainer, arrays: arrays.pop("network.0.weight1"),
    "another request": lambda request, trainer, arrays: request.update(evil=1),
    "other shuffling": lambda request, trainer, arrays: trainer["shuffling"].update(bit_generator="MT19937"),
    "negative steps": lambda request, trainer, arrays: trainer.update(steps=-1),
    "no epochs": lambda request, trainer, arrays: trainer.pop("past"),
    "an epoch of texts": lambda request, trainer, arrays: trainer["past"][0].update(loss="0.1"),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_checkpoint_that_says_something_else_is_damaged(tmp_path, how):
    _checkpoint(tmp_path)
    assert len(read_unfinished(tmp_path)[1].past) == 3
    _checkpoint(tmp_path, DAMAGES[how])
    with pytest.raises(DataError, match=r"checkpoint\.safetensors is damaged"):
        read_unfinished(tmp_path)
