"""Models that lamina 0.1 saved are read, and predict what they did."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lamina

FILES = Path(__file__).parent / "files"
"""Written at commit 74be71e, in the format "lamina estimator 1": tiny networks of each kind on `table.csv`.

Those of arrays were trained on `x` and the number of the `city`, the others on the data frame without the targets.
"""

TABLE = pl.read_csv(FILES / "table.csv")
FRAME = TABLE.drop("size", "price")
ARRAY = np.c_[TABLE["x"].to_numpy(), TABLE["city"].str.slice(5).cast(pl.Int64).to_numpy()].astype(np.float32)
OF_ARRAYS = ("classifier_normalized", "classifier_sklearn", "regressor_sklearn")
PREDICTIONS = json.loads((FILES / "predictions.json").read_text())


@pytest.mark.parametrize("name", PREDICTIONS)
def test_an_early_model_predicts_what_it_did(name, tmp_path):
    model = lamina.load(FILES / f"{name}.safetensors")
    lamina.save(model, tmp_path / "again.safetensors")
    for one in (model, lamina.load(tmp_path / "again.safetensors")):
        for method, expected in PREDICTIONS[name].items():
            found = getattr(one, method)(ARRAY if name in OF_ARRAYS else FRAME)
            expected = np.array(expected)
            assert found.shape == expected.shape
            if expected.dtype.kind == "f":
                # A processor with other vectors adds float32 numbers in another order; on one machine it is equal.
                np.testing.assert_allclose(found, expected, rtol=1e-5)
            else:
                np.testing.assert_array_equal(found, expected)
