"""Presets: how long they train, and that their table in the documentation is theirs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.estimators.presets import PRESETS, enough_epochs

DOCUMENT = Path(__file__).parents[2] / "docs" / "estimators.md"


@given(
    st.sampled_from([("default", 64, 1000), ("fast", 6, 800)]), st.integers(1, 10**7), st.integers(1, 1024)
)
def test_a_preset_trains_enough_steps_if_epochs_allow(preset, rows, batch):
    name, fewest, steps = preset
    epochs = enough_epochs(name, rows, batch)
    per_epoch = max(rows // batch, 1)
    assert fewest <= epochs <= 256
    assert epochs == 256 or epochs * per_epoch >= steps
    assert epochs == fewest or (epochs - 1) * per_epoch < steps


@pytest.mark.parametrize("name", PRESETS["default"])
def test_the_document_says_what_the_presets_are(name):
    rows = [
        line.split("|")[1:-1]
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith(f"| `{name}` |")
    ]
    assert len(rows) == 1
    shown = [cell.strip().strip("`") for cell in rows[0][1:4]]
    assert shown == [repr(PRESETS[preset][name]) for preset in ("default", "fast", "sklearn")]
