"""The parameters' documentation is complete, and its values are those of the presets."""

import inspect
import re
from dataclasses import FrozenInstanceError

import pytest

from lamina import MLPClassifier, MLPRegressor
from lamina.estimators.declaring import declared
from lamina.estimators.presets import enough_epochs, for_size
from lamina.estimators.settings import Settings

ESTIMATORS = [MLPClassifier, MLPRegressor]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_help_explains_every_parameter_and_attribute(estimator):
    text = inspect.getdoc(estimator)
    for name in inspect.signature(estimator).parameters:
        assert re.search(rf"^    {name}: .+Default: .+?\.$", text, re.MULTILINE | re.DOTALL), name
    for name in ("coefs_", "loss_curve_", "best_epoch_", "feature_names_in_", "fitted_"):
        assert name in text
    assert text.index("Args:") < text.index("Attributes:") < text.index(">>> ")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_parameter_is_a_declared_setting(estimator):
    assert set(declared(estimator)) == set(inspect.signature(estimator).parameters)


def test_settings_have_the_presets_values_where_none_are_given_and_are_frozen():
    settings = Settings("fast", "regression", hidden_layer_sizes=7, dropout=None, batch_size="auto")
    assert (settings.hidden_layer_sizes, settings.dropout, settings.batch_size) == ((7,), 0.05, 256)
    assert (settings.learning_rate_init, settings.activation, settings.momentum) == (0.1, "mish", 0.9)
    changed = settings.replace(max_iter=3, normalization="batch")
    assert (changed.epochs, changed.normalization, changed.preset) == (3, "batch", "fast")
    assert (settings.max_iter, settings.normalization) == (None, None)
    with pytest.raises(FrozenInstanceError, match=r"dropout.*settings\.replace"):
        settings.dropout = 0.5
    for make in (Settings, settings.replace):
        with pytest.raises(TypeError, match="no setting 'drop_out'"):
            make(drop_out=0.5)


def test_signatures_say_what_users_give():
    parameters = inspect.signature(MLPClassifier).parameters
    assert str(parameters["batch_size"]) == "batch_size: int | str | None = None"
    assert str(parameters["momentum"]) == "momentum: float = 0.9"


def test_help_shows_the_defaults_of_the_task():
    assert "5000 rows. Default: 0.1 (fast: 0.04, realmlp: 0.04, sklearn: 0.001)." in " ".join(
        MLPClassifier.__doc__.split()
    )
    assert "() gives a linear model. Default: (128, 128)" in " ".join(MLPRegressor.__doc__.split())


def test_help_says_how_long_presets_train():
    usual, small = declared(Settings)["max_iter"].meaning.split(" 'fast' with ")
    said = re.findall(r"\d+", usual)
    steps, other_steps, most, *fewest, rows = map(int, said)
    known = "default", "realmlp", "fast"
    assert [enough_epochs(preset, 2560, 256) * 10 for preset in known] == [steps, other_steps, steps]
    assert [enough_epochs(preset, 10**7, 256) for preset in known] == fewest
    assert enough_epochs("default", 1, 256) == most
    assert enough_epochs("fast", rows, 1) == 1 and enough_epochs("fast", rows + 1, 1) == fewest[-1]
    most, seen, fewest, many, more = map(int, re.findall(r"\d+", small.replace(",", "")))
    epochs = [for_size("fast", rows, 1, {}).get("max_iter") for rows in (most, most + 1, many, many + 1)]
    assert epochs == [more, None, fewest, more]
    assert for_size("fast", seen // 50, 1, {})["max_iter"] == 50


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_layers_and_the_activation_may_be_given_by_position(estimator):
    model = estimator((3, 4), "relu", preset="fast")
    assert (model.hidden_layer_sizes, model.activation) == ((3, 4), "relu")
    with pytest.raises(TypeError, match="positional"):
        estimator((3, 4), "relu", "fast")
