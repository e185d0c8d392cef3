"""Models that lamina 0.1 saved are read, and predict what they did."""

import json
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lamina
from lamina.errors import DataError
from lamina.files.tensors import load_tensors, save_tensors
from lamina.table.kinds import infer
from lamina.table.messages import DataWarning

FILES = Path(__file__).parent / "files"
"""Written at commit 74be71e, in the format "lamina estimator 1": tiny networks of each kind on `table.csv`.

Those whose names end with format_2 are of commit a4d02b2, with format_5 of 529cf03, with format_7 or without_path of
8bb81a7, the other pickles of 52f6b3c; those that
begin with types are of 6b782ce, trained on `typed(TABLE)`. Those of
arrays were trained on `x` and the number of the `city`, the others on the data frame without the targets.
"""

TABLE = pl.read_csv(FILES / "table.csv")
FRAME = TABLE.drop("size", "price")
ARRAY = np.c_[TABLE["x"].to_numpy(), TABLE["city"].str.slice(5).cast(pl.Int64).to_numpy()].astype(np.float32)
OF_ARRAYS = ("classifier_normalized", "classifier_sklearn", "regressor_sklearn")
PREDICTIONS = json.loads((FILES / "predictions.json").read_text())
PICKLED = json.loads((FILES / "predictions_pickled.json").read_text())


@pytest.mark.few(5)
@pytest.mark.parametrize("name", PREDICTIONS)
def test_an_early_model_predicts_what_it_did(name, tmp_path):
    model = lamina.load(FILES / f"{name}.safetensors")
    lamina.save(model, tmp_path / "again.safetensors")
    for one in (model, lamina.load(tmp_path / "again.safetensors")):
        assert_predicts(one, PREDICTIONS[name], ARRAY if name in OF_ARRAYS else FRAME)


@pytest.mark.parametrize("name", PICKLED)
def test_an_early_pickle_predicts_what_it_did(name, tmp_path):
    model = pickle.loads((FILES / f"{name}.pickle").read_bytes())
    lamina.save(model, tmp_path / "again.safetensors")
    for one in (model, lamina.load(tmp_path / "again.safetensors"), pickle.loads(pickle.dumps(model))):
        assert_predicts(one, PICKLED[name], FRAME)


def typed(table):
    """Columns of every type, made of the table's."""
    seconds = (table["x"] * 1000).round().cast(pl.Int64)
    moments = (1_317_513_600_000_000 + 3_600_000_000 * seconds).cast(pl.Datetime("us"))
    return table.select(
        "x", "color", "member", id=pl.int_range(len(table)), number=table["x"].cast(pl.String), when=moments,
        day=moments.dt.date().cast(pl.String), at=moments.dt.time(), lasts=pl.duration(seconds=seconds),
        flag=seconds % 2 == 0, said=(seconds % 2 == 0).cast(pl.String), chosen=seconds % 3, one=pl.lit("a"),
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:column 'number' holds numbers as text")
@pytest.mark.parametrize("name", ["types_format_6.safetensors", "types_pickled.pickle"])
def test_early_columns_are_of_todays_types(name, tmp_path):
    """Of files in which a column was a kind, a note and a type's name."""
    read = lamina.load if name.endswith("safetensors") else lambda file: pickle.loads(file.read_bytes())
    model, table = read(FILES / name), typed(TABLE)
    with pytest.warns(DataWarning, match="left out"):
        expected = infer(table, kinds={"chosen": "categorical"})
    # Dates were their days, and nothing else.
    columns = tuple(column.parts[0] if column.parts else column for column in expected.columns)
    assert model.fitted_.encoder.schema.columns == columns
    predictions = json.loads((FILES / "predictions_types.json").read_text())
    lamina.save(model, tmp_path / "again.safetensors")
    for one in (model, lamina.load(tmp_path / "again.safetensors"), pickle.loads(pickle.dumps(model))):
        assert_predicts(one, predictions, table)


def test_a_pickle_of_an_unknown_version_says_so():
    model = pickle.loads((FILES / "classifier_pickled.pickle").read_bytes())
    with pytest.raises(DataError, match="this pickle of an MLPClassifier can't be read"):
        model.__setstate__({"_network_state": (None, [])})


def assert_predicts(model, predictions, table):
    for method, expected in predictions.items():
        found = getattr(model, method)(table)
        expected = np.array(expected)
        assert found.shape == expected.shape
        if expected.dtype.kind == "f":
            # A processor with other vectors adds float32 numbers in another order; on one machine it is equal.
            np.testing.assert_allclose(found, expected, rtol=1e-5)
        else:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("field", ["kind", "note", "type_name"])
def test_a_damaged_early_column_is_refused_in_a_sentence(field, tmp_path):
    tensors, metadata = load_tensors(FILES / "types_format_6.safetensors")
    estimator = json.loads(metadata["estimator"])
    estimator["encoder"]["schema"]["columns"][0][field] = 5
    save_tensors(tmp_path / "a.safetensors", tensors, {**metadata, "estimator": json.dumps(estimator)})
    with pytest.raises(DataError, match=f"a column's {field} is 5, which is not a text"):
        lamina.load(tmp_path / "a.safetensors")
