"""The Open Inference Protocol gives what the run predicts, bit for bit; and says in its own form what is wrong."""

import json

import numpy as np
import polars as pl
import pytest
from inference import HEADER, packed, tensor, texts, unpacked
from serving import RUNS

import lamina
from lamina.recipes.run import network_of_run
from lamina.runs.run_folder import open_run

ROWS = 30
COLORS = ["red", "green", "blue"]
random = np.random.default_rng(5)
FRAME = pl.DataFrame(
    {
        "x": random.normal(size=ROWS),
        "gap": [float(i % 11) / 2 for i in range(ROWS)],
        "color": [COLORS[i % 3] for i in range(ROWS)],
        "city": [f"city {(0, 4, 11)[i % 3]}" for i in range(ROWS)],
        "member": [("yes", "no")[i % 2] for i in range(ROWS)],
    }
)
KINDS = {"x": "FP64", "gap": "FP32", "color": "BYTES", "city": "BYTES", "member": "BYTES"}
INPUTS = [tensor(name, FRAME[name].to_list(), kind) for name, kind in KINDS.items()]
BINARY = [
    ("x", "FP64", [ROWS, 1], FRAME["x"].to_numpy().astype("<f8").tobytes()),
    ("gap", "FP32", [ROWS], FRAME["gap"].to_numpy().astype("<f4").tobytes()),
    *((name, "BYTES", [ROWS], texts(FRAME[name])) for name in ("color", "city", "member")),
]


def infer(server, model, body, headers=None, content_type="application/json"):
    return server.ask(f"/v2/models/{model}/infer", body, content_type, **(headers or {}))


def expected(name, frame=FRAME):
    """The tensors, from the run."""
    model, _ = open_run(RUNS[name])
    outputs = model.outputs(frame)
    if outputs.ndim == 1:
        return {"predict": outputs}
    return {"predict": model.estimator.classes_[outputs.argmax(axis=1)], "predict_proba": outputs}


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("name", ["prices", "kinds"])
def test_named_columns_give_what_the_run_predicts(server, name):
    answer = infer(server, name, {"id": "7", "inputs": INPUTS})
    assert answer.json["id"] == "7"
    assert answer.json["model_version"] == server.ask(f"/v2/models/{name}").json["versions"][0]
    same(unpacked(answer), expected(name))


@pytest.mark.parametrize("name", ["prices", "kinds"])
@pytest.mark.parametrize("content_type", ["", "application/octet-stream"])
def test_tensors_as_bytes_do_too(server, name, content_type):
    body, headers = packed(*BINARY)
    same(unpacked(infer(server, name, body, headers, content_type)), expected(name))


def test_outputs_are_those_wanted_in_the_form_wanted(server):
    wanted = expected("kinds")
    probabilities = {"name": "predict_proba", "parameters": {"binary_data": True}}
    answer = infer(server, "kinds", {"inputs": INPUTS, "outputs": [probabilities, {"name": "predict"}]})
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert list(unpacked(answer)) == ["predict_proba", "predict"]
    same(unpacked(answer), wanted)
    answer = infer(server, "kinds", {"inputs": INPUTS, "outputs": [{"name": "predict"}]})
    same(unpacked(answer), {"predict": wanted["predict"]})
    answer = infer(server, "prices", {"inputs": INPUTS, "parameters": {"binary_data_output": True}})
    same(unpacked(answer), expected("prices"))
    answer = infer(server, "kinds", {"inputs": INPUTS, "parameters": {"binary_data_output": True}})
    assert answer.content.endswith(answer.content[int(answer.headers[HEADER]) :])
    assert texts(wanted["predict"]) in answer.content


def test_missing_values_and_types_that_say_less(server):
    """null, and NaN among bytes; FP32 rounds as float32 does."""
    given = FRAME.with_columns(
        gap=pl.Series([None, 0.1, *FRAME["gap"][2:]]), x=FRAME["x"].cast(pl.Float32).cast(pl.Float64)
    )
    inputs = [
        tensor(name, given[name].to_list(), kind)
        for name, kind in {**KINDS, "x": "FP32", "gap": "FP64"}.items()
    ]
    inputs[0]["data"] = FRAME["x"].to_list()
    inputs[2]["data"] = [[value] for value in inputs[2]["data"]]
    inputs[2]["shape"] = [ROWS, 1]
    same(unpacked(infer(server, "kinds", {"inputs": inputs})), expected("kinds", given))
    body, headers = packed(
        ("x", "FP32", [ROWS], FRAME["x"].to_numpy().astype("<f4").tobytes()),
        ("gap", "FP64", [ROWS], given["gap"].fill_null(float("nan")).to_numpy().tobytes()),
        *BINARY[2:],
    )
    same(unpacked(infer(server, "kinds", body, headers)), expected("kinds", given))


def test_what_does_not_count_is_noted(server):
    inputs = [
        *INPUTS[:2],
        tensor("color", ["pink"] * ROWS, "BYTES"),
        *INPUTS[3:],
        tensor("more", [1] * ROWS, "INT8"),
    ]
    notes = infer(server, "prices", {"inputs": inputs}).json["parameters"]["notes"]
    assert "ignored 1 column" in notes
    assert "training did not have 'pink'" in notes


def test_pictures_are_one_matrix(server):
    pixels = random.integers(0, 256, (3, 784), np.uint8)
    network = network_of_run(RUNS["digits"])
    said = server.predictions("digits", {"rows": pixels.tolist()})
    assert network.sizes[0] == 784
    wanted = {
        "predict": [one["label"] for one in said],
        "predict_proba": [list(one["probabilities"].values()) for one in said],
    }
    body, headers = packed(("X", "UINT8", [3, 784], pixels.tobytes()))
    same(unpacked(infer(server, "digits", body, headers)), wanted)
    nested = tensor("X", pixels.tolist(), "UINT8", [3, 784])
    same(unpacked(infer(server, "digits", {"inputs": [nested]})), wanted)
    turned = tensor("X", pixels.ravel().tolist(), "UINT8", [784, 3])
    assert (
        "takes one input, 'X', of shape [rows, 784]"
        in infer(server, "digits", {"inputs": [turned]}).json["error"]
    )
    nested["data"] = [[*nested["data"][0], 1], nested["data"][1][:-1], nested["data"][2]]
    assert (
        "rows whose lengths differ from the shape"
        in infer(server, "digits", {"inputs": [nested]}).json["error"]
    )


@pytest.mark.slow  # it trains
def test_numbers_alone_are_a_matrix_or_columns(serving, tmp_path):
    X = random.normal(size=(200, 3))
    y = np.column_stack([X[:, 0] > 0, X[:, 1] > X[:, 2]]).astype(int)
    labels = lamina.MLPClassifier(preset="fast", max_iter=2, random_state=0).fit(X, y)
    frame = pl.DataFrame({"i": np.arange(200), "a": X[:, 0], "X": X[:, 1]})
    quantiles = lamina.MLPRegressor(
        preset="fast", loss="quantile", quantile=(0.1, 0.5, 0.9), max_iter=2, random_state=0
    )
    quantiles.fit(frame, X[:, 0])
    truth = lamina.MLPClassifier(preset="fast", max_iter=2, random_state=0).fit(X, X[:, 0] > 0)
    for name, model in {"labels": labels, "quantiles": quantiles, "truth": truth}.items():
        lamina.save(model, tmp_path / f"{name}.safetensors")
    server = serving(*tmp_path.glob("*.safetensors"))
    about = server.ask("/v2/models/labels").json
    assert about["inputs"] == [{"name": "X", "datatype": "FP64", "shape": [-1, 3]}]
    assert [(o["name"], o["datatype"], o["shape"]) for o in about["outputs"]] == [
        ("predict", "INT64", [-1, 2]), ("predict_proba", "FP64", [-1, 2])
    ]  # fmt: skip
    matrix = tensor("X", X[:5].ravel().tolist(), "FP64", [5, 3])
    wanted = {"predict": labels.predict(X[:5]), "predict_proba": labels.predict_proba(X[:5])}
    same(unpacked(infer(server, "labels", {"inputs": [matrix]})), wanted)
    columns = [tensor(f"x{j}", X[:5, j].tolist(), "FP64") for j in range(3)]
    same(unpacked(infer(server, "labels", {"inputs": columns})), wanted)
    about = server.ask("/v2/models/quantiles").json
    assert [(one["name"], one["datatype"]) for one in about["inputs"]] == [
        ("i", "INT64"),
        ("a", "FP64"),
        ("X", "FP64"),
    ]
    found = unpacked(
        infer(
            server,
            "quantiles",
            {"inputs": [tensor("X", frame[:4].to_numpy().ravel().tolist(), "FP64", [4, 3])]},
        )
    )
    same(found, {"predict": quantiles.predict(frame[:4])})
    assert about["outputs"][0]["parameters"] == {"quantiles": ["0.1", "0.5", "0.9"]}
    truths = infer(server, "truth", {"inputs": [matrix]}).json["outputs"][0]
    assert truths["datatype"] == "BOOL"
    assert truths["data"] == truth.predict(X[:5]).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [ROWS - 1]}, "the input 'x' has 30 values, but the shape [29]"),
        ({"shape": [2**62, 2**62]}, "30 values, but the shape"),
        ({"shape": [3, 10]}, "the input 'x' has the shape [3, 10]; a column has the shape [rows] or [rows, 1]"),
        ({"shape": []}, "has 0 dimensions"),
        ({"shape": [9] * 100_000}, "has 100000 dimensions"),
        ({"shape": [-1]}, "Expected `int` >= 0 - at `$.inputs[0].shape[0]`"),
        ({"shape": [True]}, "Expected `int`"),
        ({"datatype": "FP65"}, "has an unknown datatype; known: BOOL, UINT8"),
        ({"datatype": "BOOL"}, "the input 'x' has data that is not BOOL"),
        ({"datatype": "INT8", "data": [300] * ROWS}, "numbers beyond INT8"),
        ({"datatype": "INT64", "data": [10**30] * ROWS}, "the input 'x' has"),
        ({"datatype": "FP32", "data": [1e300] * ROWS}, "column 'x' has an infinite value"),
        ({"datatype": "BYTES", "data": ["1"] * ROWS}, "row 0, column 'x': '1' is not a number (and 19 more)"),
        ({"data": [{}] * ROWS}, "has data that is not FP64"),
        ({"data": None}, "has no data"),
        ({"name": "y"}, "column 'x': is absent"),
        ({"name": "gap"}, "the input 'gap' is given twice"),
        ({"parameters": {"binary_data_size": 8}}, "invalid binary_data_size, or both"),
        ({"parameters": {"binary_data_size": True}, "data": None}, "invalid binary_data_size"),
    ],
)  # fmt: skip
def test_tensors_that_are_wrong(server, change, message):
    answer = infer(server, "prices", {"inputs": [{**INPUTS[0], **change}, *INPUTS[1:]]})
    assert (answer.status, list(answer.json)) == (400, ["error"])
    assert message in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "the body is not JSON"),
        (b"[]", 400, "Expected `object`, got `array`"),
        (b"{}", 400, "missing required field `inputs`"),
        (b'{"inputs": []}', 400, "there are no rows"),
        (b'{"inputs": [], "inputs": []}', 400, "the key 'inputs' twice"),
        (b'{"inputs": [{"name": "x", "name": "y"}]}', 400, "the key 'name' twice"),
        (b'{"id": 7, "inputs": []}', 400, "Expected `str | null`, got `int` - at `$.id`"),
        (b'{"inputs": [], "outputs": [{"name": "predict_proba"}]}', 400, "the model has predict"),
        (b"[" * 100_000, 413, "more arrays and objects"),
        (json.dumps({"inputs": [tensor("x", [1.0] * 10_001, "FP64")]}).encode(), 413, "at most 10,000 are allowed"),
    ],
)  # fmt: skip
def test_bodies_that_are_wrong(server, body, status, message):
    answer = infer(server, "prices", body)
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert message in answer.json["error"]


@pytest.mark.parametrize(
    ("inputs", "head", "message"),
    [
        (BINARY[:4], None, "column 'member': is absent"),
        (BINARY, "x", "Inference-Header-Content-Length is 'x'; it must be the length"),
        (BINARY, str(10**30), "Inference-Header-Content-Length is '1"),
        (BINARY, "3", "the body is not JSON"),
        ([("x", "FP64", [1], b"1234567"), *BINARY[1:]], None, "7 bytes, not a multiple of the size of FP64"),
        ([("x", "BYTES", [1], b"\x09\0\0\0abc"), *BINARY[1:]], None, "ends within a text"),
        ([("x", "BYTES", [1], b"\x01\0"), *BINARY[1:]], None, "ends within a text"),
        ([("x", "BYTES", [1], b"\x01\0\0\0\xff"), *BINARY[1:]], None, "has a text that is not UTF-8"),
    ],
)
def test_bytes_that_are_wrong(server, inputs, head, message):
    body, headers = packed(*inputs)
    answer = infer(server, "prices", body, headers if head is None else {HEADER: head})
    assert (answer.status, list(answer.json)) == (400, ["error"])
    assert message in answer.json["error"]


def test_bytes_too_many_or_too_few(server):
    body, headers = packed(*BINARY)
    assert (
        "3 bytes after the JSON do not belong to any input"
        in infer(server, "prices", body + b"123", headers).json["error"]
    )
    assert "invalid binary_data_size" in infer(server, "prices", body[:-3], headers).json["error"]


def test_what_is_not_there(server):
    version = server.ask("/v2/models/prices").json["versions"][0]
    for path in ("/v2/models/prices", f"/v2/models/prices/versions/{version}"):
        assert server.ask(f"{path}/ready").json == {"name": "prices", "ready": True}
        assert server.ask(path).json["name"] == "prices"
        assert server.ask(f"{path}/infer", {"inputs": INPUTS}).status == 200
    for path, status, message in [
        ("/v2/models/price", 404, "there is no model 'price'"),
        (
            "/v2/models/prices/versions/1/ready",
            404,
            f"there is no version '1' of 'prices', only {version}",
        ),
        ("/v2/models/prices/infer", 405, "the method is not allowed"),
        ("/v2/models/prices/unload", 404, "there is nothing at this address"),
    ]:
        answer = server.ask(path)
        assert (answer.status, list(answer.json)) == (status, ["error"])
        assert message in answer.json["error"]
    answer = infer(server, "prices", b"x,y\n", content_type="text/csv")
    assert (answer.status, list(answer.json)) == (415, ["error"])
    assert server.ask("/v2/health/live").json == {"live": True}
    assert server.ask("/v2/health/ready").json == {"ready": True}
    about = server.ask("/v2").json
    assert (about["name"], about["version"]) == ("lamina", lamina.__version__)


@pytest.mark.slow
def test_a_token_is_needed_but_for_health(serving):
    server = serving(RUNS["prices"], environment={"LAMINA_SERVE_TOKEN": "a-long-token-of-ours"})
    assert server.ask("/v2/health/ready").status == 200
    answer = server.ask("/v2")
    assert (answer.status, answer.json) == (401, {"error": "the bearer token is missing or wrong"})
    assert server.ask("/v2", Authorization="Bearer a-long-token-of-ours").status == 200
