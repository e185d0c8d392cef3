"""The prediction that every way out is made of, traced and compiled, against `predict`."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import lamina
from lamina import nd
from lamina.compiler.front.graphs import compilable_graph
from lamina.export import Table, describe
from lamina.export.traced import prediction_of

ROWS = 300


def _table() -> pl.DataFrame:
    random = np.random.default_rng(0)
    numbers = [None if x > 1 else x for x in random.normal(size=ROWS).tolist()]
    return pl.DataFrame(
        {
            "missing": numbers,
            "few": random.choice(["x", "y", "z"], ROWS),
            "whole": random.integers(0, 9, ROWS),
            "many": random.choice([f"town {i}" for i in range(40)], ROWS),
            "truth": random.integers(0, 2, ROWS).astype(bool),
            "large": random.exponential(1e6, ROWS),
        }
    )


def _arguments(table: Table, frame: pl.DataFrame) -> list[nd.NDArray]:
    numbers = [frame[column.name].cast(pl.Float64).to_numpy() for column in table.numbers]
    codes = [
        [column.spellings.get(str(value).lower(), 0) for value in frame[column.name]]
        for column in table.categories
    ]
    return [
        nd.array(np.stack(numbers, axis=1), dtype="float64"),
        nd.array(np.array(codes, np.int32).T, dtype="int32"),
    ]


TARGETS: dict[str, tuple[Any, dict[str, Any]]] = {
    "number": (lamina.MLPRegressor, {}),
    "count": (lamina.MLPRegressor, {"loss": "poisson"}),
    "quantiles": (lamina.MLPRegressor, {"loss": "quantile", "quantile": (0.1, 0.5, 0.9)}),
    "two numbers": (lamina.MLPRegressor, {}),
    "two classes": (lamina.MLPClassifier, {}),
    "three classes": (lamina.MLPClassifier, {}),
    "threshold": (lamina.MLPClassifier, {"threshold": "f1"}),
    "labels": (lamina.MLPClassifier, {}),
}


def _target(kind: str) -> np.ndarray:
    random = np.random.default_rng(1)
    if kind == "labels":
        return random.integers(0, 2, (ROWS, 3))
    if kind == "two numbers":
        return random.normal(size=(ROWS, 2))
    if "classes" in kind or kind == "threshold":
        return np.array(["a", "b", "c"])[random.integers(0, 3 if kind.startswith("three") else 2, ROWS)]
    return random.exponential(size=ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["fast", "medium"])
@pytest.mark.parametrize("kind", TARGETS)
def test_a_traced_prediction_is_that_of_the_model(kind: str, preset: str) -> None:
    estimator, settings = TARGETS[kind]
    frame = _table()
    model = estimator(preset=preset, max_iter=3, random_state=0, **settings).fit(frame, _target(kind))
    prediction = describe(model)
    assert isinstance(prediction.inputs, Table)
    assert prediction.inputs.encoder.flags and prediction.inputs.encoder.codebooks
    predict, arguments = prediction_of(prediction), _arguments(prediction.inputs, frame)
    compilable_graph(predict, arguments)  # raises where it can't be compiled
    eagerly, compiled = predict(*arguments), lamina.compile(predict, independent_rows=True)(*arguments)
    wanted = model.predict_proba(frame) if hasattr(model, "predict_proba") else model.predict(frame)
    wanted = wanted.reshape(ROWS, -1)
    np.testing.assert_allclose(eagerly[0].asnumpy(), wanted, rtol=2e-5, atol=1e-6 * np.abs(wanted).max())
    np.testing.assert_array_equal(compiled[0].asnumpy(), wanted)
    if len(compiled) > 1:
        decided = compiled[1].asnumpy()
        classes = decided if decided.ndim > 1 else model.classes_[decided]
        np.testing.assert_array_equal(classes, model.predict(frame))
