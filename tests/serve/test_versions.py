"""Versions of a model side by side: each answers at its own address, and the default without one."""

import os
import shutil

import pytest
from inference import tensor
from serving import RUNS

from lamina.errors import LaminaError
from lamina.serve import Limits
from lamina.serve._registry import Registry, places

ROW = {"x": 1.0, "gap": 2, "color": "red", "city": "city 4", "member": "yes"}
KINDS = {"x": "FP64", "gap": "INT64", "color": "BYTES", "city": "BYTES", "member": "BYTES"}
INPUTS = {"inputs": [tensor(name, [ROW[name]], kind) for name, kind in KINDS.items()]}


@pytest.fixture
def versions(tmp_path):
    """A folder of versions: 1 is a regression, 2 a classification."""
    for number, name in (("1", "prices"), ("2", "kinds")):
        shutil.copytree(RUNS[name], tmp_path / "models" / number)
    (tmp_path / "models" / "notes").mkdir()
    (tmp_path / "models" / "3").mkdir()  # a training that has no model yet
    return tmp_path / "models"


def answered(server, model, version=None):
    """The predictions of both routes, which say the same version, and that version."""
    address = model if version is None else f"{model}/versions/{version}"
    row = server.predict(address, {"rows": [ROW]})
    assert row.status == 200, row.content
    tensors = server.ask(f"/v2/models/{address}/infer", INPUTS).json
    about = server.ask(f"/v1/models/{address}").json
    assert row.json["version"] == tensors["model_version"] == about["version"]
    assert row.json["model"] == tensors["model_name"] == model
    assert server.ask(f"/v1/models/{address}/example").status == 200
    assert server.ask(f"/v2/models/{address}/ready").json == {"name": model, "ready": True}
    metadata = server.ask(f"/v2/models/{address}").json
    assert metadata["versions"] == about["versions"]
    assert [one["name"] for one in metadata["outputs"]] == [one["name"] for one in tensors["outputs"]]
    [prediction] = row.json["predictions"]
    assert tensors["outputs"][0]["data"] == [prediction.get("label", prediction.get("value"))]
    return prediction, row.json["version"]


@pytest.mark.slow
def test_each_version_answers_at_its_address_and_the_default_without_one(serving, versions):
    one = serving(f"m={versions}", f"n={RUNS['prices']}", f"n@new={RUNS['kinds']}")
    value, label = answered(one, "n")[0], answered(one, "n", "new")[0]
    assert answered(one, "m") == answered(one, "m", "2") == (label, "2")
    assert answered(one, "m", "1") == (value, "1")
    assert answered(one, "n", "new") == (label, "new")
    digest = answered(one, "n")[1]
    assert answered(one, "n", digest) == (value, digest)  # the run that was given without a version
    assert [model["versions"] for model in one.ask("/v1/models").json["models"]] == [
        ["new", digest],
        ["1", "2"],
    ]
    for path in ("/v1/models/m/versions/7/predict", "/v2/models/m/versions/7/infer"):
        refused = one.ask(path, INPUTS)
        assert refused.status == 404
        assert "there is no version '7' of 'm', only 1, 2" in str(refused.json["error"])
    paths = one.ask("/openapi.json").json["paths"]
    for version, task in (("1", "regression"), ("2", "classification")):
        operation = paths[f"/v1/models/m/versions/{version}/predict"]["post"]
        assert operation["summary"].endswith(f"{task}.")
    counts = one.ask("/metrics").content.decode()
    for name, version in (("m", "1"), ("m", "2"), ("n", "new"), ("n", digest)):
        assert f'lamina_model_info{{model="{name}",version="{version}"}} 1.0' in counts


@pytest.mark.slow
def test_a_folder_of_versions_is_followed(serving, versions):
    one = serving(f"m={versions}", "--look", 0.05)

    def served():
        return one.ask("/v2/models/m").json["versions"]

    label, value = (answered(one, "m", version)[0] for version in ("2", "1"))
    shutil.copytree(RUNS["prices"], versions.parent / "new")
    os.rename(versions.parent / "new", versions / "10")  # the newest by number, not by text
    one.wait_for(lambda: served() == ["1", "2", "10"])
    assert answered(one, "m") == (value, "10")
    (versions / "11").mkdir()
    (versions / "11/model.safetensors").write_bytes(b"damaged")
    failed = b'lamina_model_loads_total{model="m",result="failed"} 1.0'
    one.wait_for(lambda: failed in one.ask("/metrics").content)
    assert served() == ["1", "2", "10"]
    for gone in ("10", "11", "1"):
        shutil.rmtree(versions / gone)
    one.wait_for(lambda: served() == ["2"])
    assert answered(one, "m") == (label, "2")
    assert b'lamina_model_info{model="m",version="10"}' not in one.ask("/metrics").content
    shutil.rmtree(versions / "2")  # a model's last version stays
    one.wait_for(lambda: b'result="failed"} 2.0' in one.ask("/metrics").content)
    assert answered(one, "m") == (label, "2")
    shutil.copytree(RUNS["prices"], versions.parent / "new")
    os.rename(versions.parent / "new", versions / "2")
    one.wait_for(lambda: one.predictions("m", {"rows": [ROW]}) == [value])
    assert answered(one, "m") == (value, "2")
    _, error = one.end()
    assert [line.partition(": the new")[0] for line in error.splitlines()[1:4]] == [
        "lamina: m@11", "lamina: m@1 is no longer served", "lamina: m@10 is no longer served"
    ]  # fmt: skip


@pytest.mark.parametrize("run", ["a@=runs/1", "@2=runs/1", "a@b/c=runs/1", "a@1@2=runs/1"])
def test_versions_that_cannot_be_in_an_address(run):
    with pytest.raises(LaminaError, match=f"{run.partition('=')[0]!r} can't be part of an address"):
        places([run])


def test_the_same_version_twice():
    with pytest.raises(LaminaError, match="two models would be called 'a@2'"):
        places(["a=runs/1", "a@2=runs/2", "a@2=runs/3"])


@pytest.mark.slow
def test_the_same_version_in_a_folder_and_by_itself(serving, versions):
    both = rf"m@2 is both .*{RUNS['prices'].name} and .*models/2; renumber one"
    with pytest.raises(LaminaError, match=both):
        Registry([f"m={versions}", f"m@2={RUNS['prices']}"], Limits())
    one = serving(f"m={versions}", f"m@7={RUNS['prices']}", "--look", 0.05)
    value, label = (answered(one, "m", version)[0] for version in ("7", "2"))
    shutil.copytree(RUNS["kinds"], versions.parent / "new")
    os.rename(versions.parent / "new", versions / "7")  # later: what was given by its version stays
    failed = b'lamina_model_loads_total{model="m",result="failed"} 1.0'
    one.wait_for(lambda: failed in one.ask("/metrics").content)
    assert answered(one, "m", "7") == (value, "7")
    assert answered(one, "m") == (label, "2")
    _, error = one.end()
    assert error.count("m@7 is both") == 1
