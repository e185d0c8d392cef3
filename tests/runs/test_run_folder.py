"""The files of a run on a table hold what predictions need, once."""

import json

import pytest

from lamina.errors import DataError
from lamina.io.tensors import load_tensors, save_tensors
from lamina.runs.run_folder import open_run, save_run


@pytest.mark.parametrize("target", ["number", "name"])
def test_the_schema_of_a_run_is_that_of_its_network_with_the_target(trained_on, target, tmp_path):
    _, prepared, trained = trained_on(target)
    save_run(tmp_path, trained.model, {}, {}, [])
    model, _ = open_run(tmp_path)
    assert model.schema == trained.model.schema == model.estimator.fitted_.encoder.schema
    assert model.target == prepared.target
    columns = prepared.schema.columns
    assert [(c.name, c.kind, c.note) for c in model.schema.columns] == [
        (c.name, c.kind, c.note) for c in columns
    ]
    assert "schema" not in json.loads(load_tensors(tmp_path / "model.safetensors")[1]["table"])


def test_a_run_without_a_target_is_damaged(trained_on, tmp_path):
    _, _, trained = trained_on("number")
    save_run(tmp_path, trained.model, {}, {}, [])
    file = tmp_path / "model.safetensors"
    arrays, metadata = load_tensors(file)
    estimator = json.loads(metadata["estimator"])
    estimator["encoder"]["schema"]["target"] = None
    save_tensors(file, arrays, {**metadata, "estimator": json.dumps(estimator)})
    with pytest.raises(DataError, match="damaged: it does not say what is predicted"):
        open_run(file)
