"""The parameters' documentation is complete, and its values are those of the presets."""

import inspect
import re
from pathlib import Path

import pytest

from lamina import MLPClassifier, MLPRegressor
from lamina.estimators.parameters import PARAMETERS
from lamina.estimators.presets import PRESETS, resolve

ESTIMATORS = [MLPClassifier, MLPRegressor]
TABLE = Path(__file__).parents[2] / "docs/estimators.md"


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_help_explains_every_parameter_and_attribute(estimator):
    text = inspect.getdoc(estimator)
    for name in inspect.signature(estimator).parameters:
        assert re.search(rf"^    {name}: .+Default: .+?\.$", text, re.MULTILINE | re.DOTALL), name
    for name in ("coefs_", "loss_curve_", "best_epoch_", "feature_names_in_"):
        assert name in text
    assert text.index("Args:") < text.index("Attributes:") < text.index(">>> ")


def test_no_parameter_is_explained_that_nobody_has():
    assert set(PARAMETERS) == {name for one in ESTIMATORS for name in inspect.signature(one).parameters}


def test_help_shows_the_defaults_of_the_task():
    assert "multiplies. Default: 0.04 (sklearn: 0.001)." in " ".join(MLPClassifier.__doc__.split())
    assert "() gives a linear model. Default: (256, 256, 256)" in " ".join(MLPRegressor.__doc__.split())


def test_the_table_of_presets_in_the_docs_is_right():
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in TABLE.read_text("utf-8").splitlines()
        if line.startswith("| `")
    ]
    settings = {preset: resolve(preset, "classification", {}) for preset in PRESETS}
    by_task = {"activation", "learning_rate_init"}
    assert {name for name, *_ in rows} == set(settings["default"]) - by_task
    for name, *shown in rows:
        assert shown[:3] == [repr(settings[preset][name]) for preset in ("default", "fast", "sklearn")], name
