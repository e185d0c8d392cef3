"""Presets: how long they train, and that their table in the documentation is theirs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import MLPClassifier, MLPRegressor
from lamina.estimators._presets import PRESETS, enough_epochs, enough_members

DOCUMENT = Path(__file__).parents[2] / "docs" / "estimators.md"


@given(
    st.sampled_from([("default", 64, 500), ("medium", 32, 800), ("fast", 6, 800)]),
    st.integers(1, 10**7),
    st.integers(1, 1024),
)
def test_a_preset_trains_enough_steps_if_epochs_allow(preset, rows, batch):
    name, fewest, steps = preset
    fewest = 1 if rows <= 4000 else fewest
    epochs = enough_epochs(name, rows, batch)
    per_epoch = max(rows // batch, 1)
    assert fewest <= epochs <= 256
    assert epochs == 256 or epochs * per_epoch >= steps
    assert epochs == fewest or (epochs - 1) * per_epoch < steps


@pytest.mark.parametrize(("preset", "large", "wide"), [("default", 2, 5), ("medium", 2, 2), ("fast", 1, 2)])
def test_small_tables_get_more_networks(preset, large, wide):
    counts = [enough_members(preset, rows, 10) for rows in (2, 5000, 5001, 20_000, 20_001, 10**6)]
    assert counts == [5, 5, 2, 2, large, large]
    assert [enough_members(preset, 100, columns) for columns in (500, 501)] == [5, wide]


@pytest.mark.parametrize("preset", ["medium", "fast"])
def test_smaller_presets_embed_few_numbers(preset):
    few, many = (
        MLPRegressor(preset=preset, max_iter=1, members=1).fit(
            np.ones((9, n)) * np.arange(9)[:, None], np.arange(9)
        )
        for n in (128, 129)
    )
    assert few.coefs_[0].shape[0] == 4 * 128 and many.coefs_[0].shape[0] == 129


@pytest.mark.parametrize("name", PRESETS["default"])
def test_the_document_says_what_the_presets_are(name):
    rows = [
        line.split("|")[1:-1]
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith(f"| `{name}` |")
    ]
    assert len(rows) == 1
    shown = [cell.strip().strip("`") for cell in rows[0][1:5]]
    assert shown == [repr(PRESETS[preset][name]) for preset in ("default", "medium", "fast", "sklearn")]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_retired_preset_names_what_took_its_place():
    for kind, model in (("MLPClassifier", MLPClassifier), ("MLPRegressor", MLPRegressor)):
        model = model(preset="sklearn", max_iter=1, hidden_layer_sizes=2)
        for train in (model.fit, model.partial_fit):
            with pytest.warns(FutureWarning, match=rf"retired: lamina\.neural_network\.{kind} is") as said:
                train([[0.0], [1.0]], [0, 1])
            assert said[0].filename == __file__
