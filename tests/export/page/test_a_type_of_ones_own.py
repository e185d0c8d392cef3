"""A type of columns that one file adds is known everywhere: here IPv4 addresses, as one number each.

Training, prediction, streams, Dask, the server with OpenAPI, pages, ONNX Runtime and C know it.
"""

import ipaddress
from collections.abc import Callable

import numpy as np
import onnxruntime
import polars as pl
import pytest
from c_library import TableLibrary, needs_linker

import lamina
from lamina import export_onnx, export_page
from lamina.cli import main
from lamina.errors import DataError
from lamina.runs.run_folder import open_run
from lamina.serve._openapi import description
from lamina.serve._rows import TableRows
from lamina.table.describe import column_rows
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning
from lamina.table.schema import Schema
from lamina.table.stream import statistics
from lamina.table.stream.statistics import TableStatistics
from lamina.table.types import TYPES, Quantity, register
from lamina.table.types.ip import IpAddress


class Address(Quantity):
    """IPv4 addresses as their numbers."""

    tag = "ipv4"
    plural = "IPv4 addresses"
    wanted = "an IPv4 address"
    example_texts = "192.0.2.1"
    unit = "addresses from 0.0.0.0 on"
    limits = (0.0, 2.0**32 - 1)

    def read(self, text: str) -> float | None:
        try:
            return float(int(ipaddress.IPv4Address(text.strip())))
        except ValueError:
            return None

    def show(self, value: float, number: Callable[[float], str]) -> str:
        return str(ipaddress.IPv4Address(int(value)))


N = 120
NUMBERS = 3_232_235_520 + 37 * np.arange(N)
"""From 192.168.0.0 on."""
HOSTS = [str(ipaddress.IPv4Address(number)) for number in NUMBERS.tolist()]
FRAME = pl.DataFrame({"host": HOSTS, "x": np.random.default_rng(0).normal(size=N)})
PRICE = pl.Series("price", np.arange(N) / N + FRAME["x"].to_numpy())
ASKED = ("-t", "price", "--preset", "fast", "--hidden", "8", "--epochs", "3", "--quiet")


@pytest.fixture(scope="module", autouse=True)
def registered():
    register(Address())
    yield
    del TYPES[Address.tag]


def train(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["train", *map(str, arguments), *ASKED])
    assert ended.value.code == 0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("addresses")
    FRAME.with_columns(PRICE).write_csv(folder / "data.csv")
    train(folder / "data.csv", "-o", folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def model(run):
    return lamina.load(run / "model.safetensors")


def test_without_it_addresses_are_of_laminas_own_type():
    prototype = TYPES.pop(Address.tag)
    try:
        assert infer(FRAME)["host"].type == IpAddress()
        with pytest.raises(DataError, match="'ipv4', which is not registered; import its module first"):
            Schema.from_dict({"version": 2, "columns": [{"name": "a", "type": {"tag": "ipv4"}}]})
    finally:
        register(prototype)


@pytest.mark.slow
def test_a_run_learns_and_describes_it(run, model):
    opened, _ = open_run(run)
    assert opened.schema["host"].type == Address()
    row, _ = column_rows(infer(FRAME))
    assert row.values == f"192.168.0.0 … {HOSTS[-1]}" and row.treatment == "number, scaled"
    numbers = FRAME.with_columns(host=pl.Series(NUMBERS))
    np.testing.assert_array_equal(model.predict(FRAME), model.predict(numbers))
    assert len(np.unique(model.predict(FRAME.with_columns(x=pl.lit(0.0))))) > N / 2
    with pytest.warns(
        DataWarning, match=r"as an IPv4 address; it counts as missing: '300\.1\.1\.1' in row 1 "
    ):
        model.predict(pl.DataFrame({"host": ["192.168.0.1", "300.1.1.1"], "x": [0.0, 0.0]}))


def test_a_slip_of_typing_is_named():
    slip = FRAME.with_columns(host=pl.Series([*HOSTS[:-1], "here"]))
    with pytest.warns(DataWarning, match="column 'host' holds IPv4 addresses, but 'here' in row 119"):
        assert infer(slip)["host"].missing == 1


@pytest.mark.parametrize("most", [20, 1 << 16])
def test_statistics_of_parts_say_what_infer_does(most, monkeypatch):
    monkeypatch.setattr(statistics, "MOST_VALUES", most)
    first, second = TableStatistics(FRAME.schema), TableStatistics(FRAME.schema, first=50)
    first.update(FRAME[:50])
    second.update(FRAME[50:])
    first.merge(second)
    found, expected = first.schema()["host"], infer(FRAME)["host"]
    assert (found.type, found.low, found.high) == (Address(), expected.low, expected.high)
    assert found.mean == pytest.approx(expected.mean)


@pytest.mark.slow
def test_a_streamed_table_trains(tmp_path):
    FRAME.with_columns(PRICE).write_parquet(tmp_path / "data.parquet")
    train(tmp_path / "data.parquet", "--stream", "-o", tmp_path / "run")
    assert open_run(tmp_path / "run")[0].schema["host"].type == Address()


@pytest.mark.slow
def test_the_server_reads_and_describes_it(run):
    from lamina.serve._errors import Limits
    from lamina.serve._model import load_model

    served = load_model(run, Limits())
    rows = TableRows(served.schema)
    found = rows.of_columns({"host": ["192.168.0.37", 3_232_235_520.0, None], "x": [1, 2, 3]}).arrays[0]
    np.testing.assert_array_equal(found[:, 0], [NUMBERS[1], NUMBERS[0], np.nan])
    assert rows.of_objects([{"host": "here", "x": 1}]).notes == (
        "row 0, column 'host': 'here' is not an IPv4 address; it counts as missing",
    )
    paths = description({"m": served}, token=False)["paths"]
    body = paths["/v1/models/m/predict"]["post"]["requestBody"]["content"]["application/json"]
    value = body["schema"]["oneOf"][0]["properties"]["rows"]["items"]["properties"]["host"]
    assert (
        value["type"] == ["number", "string", "null"] and "a text such as 192.0.2.1" in value["description"]
    )
    (example,) = body["example"]["rows"]
    assert ipaddress.IPv4Address(example["host"]) in ipaddress.IPv4Network("192.168.0.0/16")
    assert rows.of_objects([example]).rows == 1


@pytest.mark.slow
def test_pages_and_onnx_files_predict_the_same(model, opened, tmp_path):
    expected = model.predict(FRAME)
    export_page(model, tmp_path / "page.html", examples=FRAME[:1].rows(named=True))
    page = opened(tmp_path / "page.html")
    assert float(page.text_content("#predicted")) == pytest.approx(expected[0], rel=1e-3)
    assert page.get_by_label("host", exact=True).input_value() == str(NUMBERS[0])
    page.get_by_label("host", exact=True).fill(str(NUMBERS[-1]))
    moved = model.predict(FRAME[:1].with_columns(host=pl.lit(HOSTS[-1])))[0]
    assert float(page.text_content("#predicted")) == pytest.approx(moved, rel=1e-3) != expected[0]
    export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    inputs = {"host": NUMBERS.astype(float).reshape(-1, 1), "x": FRAME["x"].to_numpy().reshape(-1, 1)}
    np.testing.assert_allclose(session.run(None, inputs)[0].ravel(), expected, atol=1e-5)


@pytest.mark.slow
@needs_linker
def test_a_library_predicts_the_same_bits(model, tmp_path):
    values, _ = TableLibrary(model, tmp_path / "model.so").predict(
        FRAME.with_columns(host=pl.Series(NUMBERS).cast(pl.Float64))
    )
    np.testing.assert_array_equal(values.ravel(), model.predict(FRAME))
    header = (tmp_path / "model.h").read_text()
    assert "double host; /* a number (addresses from 0.0.0.0 on), " in header


@pytest.mark.slow
def test_a_collection_of_dask_trains_and_is_predicted():
    pytest.importorskip("dask", reason="NOT TESTED: Dask, which is not installed")
    import dask.dataframe as dd

    from distributed import Client, LocalCluster
    from lamina import dask as on_dask

    table = dd.from_pandas(FRAME.with_columns(PRICE).to_pandas(), npartitions=3, sort=False)
    settings = {"preset": "fast", "hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
    # in this process, since others do not have the type
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster, Client(cluster):
        found = on_dask.MLPRegressor(**settings).fit(table, "price")
        predicted = found.predict(table[["host", "x"]]).compute()
    local = found.to_local()
    assert local.fitted_.encoder.schema["host"].type == Address()
    np.testing.assert_array_equal(predicted, local.predict(FRAME))
