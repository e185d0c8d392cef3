"""Clients of the Open Inference Protocol that others wrote get the bits of `predict`, and its description holds."""

import asyncio
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from serving import Server

import lamina

kserve = pytest.importorskip("kserve", reason="NOT TESTED: KServe's client (make neighbours)")
triton = pytest.importorskip("tritonclient.http", reason="NOT TESTED: Triton's client (make neighbours)")

RANDOM = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "size": RANDOM.normal(size=120),
        "rooms": RANDOM.integers(1, 9, 120),
        "new": RANDOM.integers(0, 2, 120).astype(bool),
        "town": RANDOM.choice(["Århus", "Bergen", "Cádiz"], 120),
    }
)
SETTINGS = {"preset": "fast", "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
X = RANDOM.normal(size=(50, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def models():
    kind = np.where(FRAME["new"].to_numpy(), FRAME["town"].to_numpy(), "none")
    return {
        "mixed": lamina.MLPClassifier(**SETTINGS).fit(FRAME, kind),
        "matrix1": lamina.MLPRegressor(**SETTINGS).fit(X, X[:, 1]),
        "matrix2": lamina.MLPRegressor(**SETTINGS).fit(X, X[:, 0]),
    }


@pytest.fixture(scope="module")
def server(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        lamina.save(model, folder / f"{name}.safetensors")
    matrix = [f"matrix@{version}={folder}/matrix{version}.safetensors" for version in (1, 2)]
    one = Server(folder / "mixed.safetensors", *matrix)
    yield one
    code, error = one.end()
    assert (code, "Traceback" in error) == (0, False), error


def columns(make, server):
    """Tensors of the frame's columns, as the metadata wants them."""
    for wanted in server.ask("/v2/models/mixed").json["inputs"]:
        values = FRAME[wanted["name"]].to_numpy()
        values = values.astype(object) if wanted["datatype"] == "BYTES" else values
        yield make(wanted["name"], values, wanted["datatype"])


def same(found, models):
    labels = [text.decode() if isinstance(text, bytes) else text for text in found("predict")]
    np.testing.assert_array_equal(labels, models["mixed"].predict(FRAME))
    np.testing.assert_array_equal(found("predict_proba"), models["mixed"].predict_proba(FRAME))


@pytest.mark.parametrize("in_bytes", [False, True])
def test_kserve(server, models, in_bytes):
    def make(name, values, datatype):
        tensor = kserve.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=in_bytes)
        return tensor

    async def ask():
        async with kserve.InferenceRESTClient(kserve.inference_client.RESTConfig(protocol="v2")) as client:
            assert await client.is_server_live(server.address)
            assert await client.is_server_ready(server.address)
            assert await client.is_model_ready(server.address, "mixed")
            assert not await client.is_model_ready(server.address, "none")
            request = kserve.InferRequest("mixed", list(columns(make, server)), request_id="7")
            mixed = await client.infer(server.address, request, model_name="mixed")
            request = kserve.InferRequest("matrix", [make("X", X, "FP32")])
            versions = (
                "matrix/versions/1",
                "matrix/versions/2",
                "matrix",
            )  # no argument of its own says which
            assert await client.is_model_ready(server.address, versions[0])
            return mixed, [await client.infer(server.address, request, model_name=one) for one in versions]

    mixed, matrices = asyncio.run(ask())
    assert mixed.id == "7"
    outputs = {one.name: one.as_numpy() for one in mixed.outputs}
    same(outputs.get, models)
    for version, matrix in zip((1, 2, 2), matrices, strict=True):
        wanted = models[f"matrix{version}"].predict(X.astype(float))
        np.testing.assert_array_equal(matrix.outputs[0].as_numpy(), wanted)


@pytest.mark.parametrize("in_bytes", [False, True])
def test_triton(server, models, in_bytes):
    def make(name, values, datatype):
        tensor = triton.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=in_bytes)
        return tensor

    client = triton.InferenceServerClient(server.address.removeprefix("http://"))
    try:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("mixed")
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        version = client.get_model_metadata("mixed")["versions"][0]
        wanted = [
            triton.InferRequestedOutput(name, binary_data=in_bytes) for name in ("predict", "predict_proba")
        ]
        for outputs in (wanted, None):
            answer = client.infer(
                "mixed", list(columns(make, server)), model_version=version, outputs=outputs
            )
            same(answer.as_numpy, models)
        assert client.get_model_metadata("matrix")["versions"] == ["1", "2"]
        for version, served in (("1", "1"), ("2", "2"), ("", "2")):
            assert client.is_model_ready("matrix", version)
            answer = client.infer("matrix", [make("X", X, "FP32")], model_version=version, request_id="9")
            said = answer.get_response()
            assert (said["id"], said["model_version"]) == ("9", served)
            wanted = models[f"matrix{served}"].predict(X.astype(float))
            np.testing.assert_array_equal(answer.as_numpy("predict"), wanted)
        assert not client.is_model_ready("matrix", "3")
        with pytest.raises(triton.InferenceServerException, match="column 'size': is absent"):
            client.infer("mixed", [make("town", FRAME["town"].to_numpy().astype(object), "BYTES")])
    finally:
        client.close()


def description():
    """The protocol in OpenAPI, a file of MLServer's package, without the routes that MLServer adds."""
    package = find_spec("mlserver")
    if package is None or package.origin is None:
        pytest.skip("NOT TESTED: the description of the inference protocol (make neighbours)")
    content = json.loads((Path(package.origin).parent / "rest/openapi/dataplane.json").read_text())
    content["components"]["schemas"]["TensorData"] = {"type": "array"}  # or "bytes", which OpenAPI has not
    paths = content["paths"]
    content["paths"] = {
        path: paths[path] for path in paths if "generate" not in path and "stream" not in path
    }
    return content


def test_the_protocols_own_description_holds(server, tmp_path):
    """Checked are statuses, forms of answers and damaged requests. Not that whatever fits the description is accepted,
    since it does not say which inputs a model has; nor that other methods are listed."""
    (tmp_path / "protocol.json").write_text(json.dumps(description()))
    (tmp_path / "schemathesis.toml").write_text(
        'parameters = { "path.model_name" = "matrix", "path.model_version" = "1" }\n'
        '[checks]\nnegative_data_rejection.expected-statuses = ["4xx"]\n'
    )
    command = [
        Path(sys.executable).with_name("schemathesis"), "--config-file", "schemathesis.toml", "run", "protocol.json",
        "--url", server.address, "--checks", "all", "--exclude-checks", "positive_data_acceptance",
        "--max-examples", "20", "--generation-database", "none", "--seed", os.environ.get("SEED", "0"),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
