"""Completion of the estimators' docstrings: `documented` inserts attributes, and parameters with their defaults."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any, TypeVar

from lamina.estimators.declaring import About, declared
from lamina.estimators.presets import KNOWN

_ATTRIBUTES = {
    "classes_": "the classes in order (of a classifier; several labels: their positions).",
    "coefs_, intercepts_": "the weights (in, out) and biases (out,) of each layer of the first member, "
    "float32.",
    "loss_curve_": "the mean training loss of each epoch.",
    "loss_, best_loss_": "the last and the smallest training loss (`best_loss_` is None with validation rows).",
    "validation_scores_, best_validation_score_, best_epoch_": "each epoch's score, the best score, and the epoch "
    "with the best score (the last of equal ones), whose network is kept; None without validation rows. "
    "`best_validation_score_` includes the linear path and the classes' own factors, if there are any.",
    "n_iter_, t_": "the number of trained epochs, and the total number of rows seen.",
    "device_": "the device of the training: 'cpu(0)', 'gpu(0)' …",
    "n_features_in_, feature_names_in_": "the number of columns in training, and their names if there are any.",
    "fitted_": "everything that predictions need: `encoder`, `network`, `target`.",
    "trials_": "after a search, a record of each trial: its `number`, `settings`, `score`, `seconds`, `epochs`, "
    "whether it is `complete`, and its `share` in the average. The attributes about epochs are then those of the best "
    "network with a share, and `best_validation_score_` is the average's score.",
    "blend_score_": "the score of a search's average with linear models and boosted trees; None if the loss "
    "would not be 0.5 % lower, or was not measured.",
    "n_layers_, n_outputs_, out_activation_": "the number of layers including input and output, the number of outputs, "
    "and the name of the function from outputs to predictions.",
}

_Estimator = TypeVar("_Estimator", bound=type)


def documented(cls: _Estimator) -> _Estimator:
    """Insert parameters and attributes into an estimator's docstring, before the example."""
    text = inspect.cleandoc(cls.__doc__ or "")
    before, example, rest = text.partition(">>> ")
    signature: Any = inspect.signature(cls)
    about = declared(cls)
    parameters = "\n".join(
        _entry(name, f"{about[name].meaning} {_default(about[name], given.default, cls)}")
        for name, given in signature.parameters.items()
    )
    attributes = "\n".join(_entry(name, meaning) for name, meaning in _ATTRIBUTES.items())
    cls.__doc__ = f"{before}Args:\n{parameters}\n\nAttributes:\n{attributes}\n\n{example}{rest}"
    return cls


def _entry(name: str, text: str) -> str:
    lines = textwrap.wrap(f"{name}: {text.strip()}", 100, break_on_hyphens=False)
    return textwrap.indent("\n".join([lines[0], *(f"    {line}" for line in lines[1:])]), "    ")


def _default(about: About, default: Any, cls: Any) -> str:
    """A sentence that names a parameter's default: the constructor's value, or the presets' values."""
    if not about.has_presets:
        return f"Default: {default!r}."
    usual, *others = ((name, about.value(name, cls._task)) for name in KNOWN if name != "best")
    differing = [f"{name}: {value!r}" for name, value in others if value != usual[1]]
    return f"Default: {usual[1]!r}" + (f" ({', '.join(differing)})." if differing else ".")
