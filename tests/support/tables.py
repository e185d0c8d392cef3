"""Tables with everything in them: numbers, texts, yes and no, missing values, and values that training lacks."""

import copy
import dataclasses
from functools import cache

import numpy as np
import polars as pl

import lamina
from lamina.estimators.network import Ensemble

QUICK = {"preset": "fast", "hidden_layer_sizes": (12, 8), "random_state": 0, "max_iter": 3}
CLASSIFIERS = (
    {},
    {"preset": "realmlp"},
    {"preset": "sklearn"},
    {"members": 3, "normalization": "layer", "ntk": False},
    {"normalization": "batch", "learned_activation": True, "activation": ("gelu", "mish")},
    {"number_embedding": False, "hidden_layer_sizes": ()},
    {"number_pieces": 0, "input_scale": False, "preprocess": False},
    {"members": 1},
)
QUANTILES = {"loss": "quantile", "quantile": (0.05, 0.3, 0.5, 0.7, 0.95)}
REGRESSORS = ({}, {"preset": "realmlp"}, {"loss": "poisson"}, {"preset": "sklearn"}, QUANTILES)
WORDS = [f"town {i}" for i in range(12)]


def training_table(rows=300, seed=0):
    """Numbers with and without gaps, two and few and many categories, truth values, whole numbers."""
    rng = np.random.default_rng(seed)

    def with_gaps(values, share):
        return [None if gone else value for value, gone in zip(values, rng.random(rows) < share, strict=True)]

    return pl.DataFrame(
        {
            "height": rng.normal(170, 10, rows),
            "income": with_gaps(np.exp(rng.normal(10, 1, rows)).tolist(), 0.2),
            "children": rng.integers(0, 5, rows),
            "smokes": with_gaps((rng.random(rows) < 0.3).tolist(), 0.1),
            "sex": with_gaps(rng.choice(["f", "m"], rows).tolist(), 0.1),
            "color": with_gaps(rng.choice(["blue", "green", "red", "naïve €"], rows).tolist(), 0.1),
            "town": with_gaps(rng.choice(WORDS, rows).tolist(), 0.1),
            "constant": [1.0] * rows,
        }
    )


def new_table(rows=60, seed=1):
    """Of the same columns, with missing values where training had none, extremes and unknown categories."""
    frame = training_table(rows, seed).to_dict(as_series=False)
    frame["height"][0] = None
    frame["children"][1] = None
    frame["height"][2], frame["income"][2], frame["income"][3] = 1e12, -1e30, None
    frame["color"][4], frame["town"][5], frame["sex"][6] = "violet", "nowhere", "x"
    for column in ("smokes", "sex", "color", "town"):
        frame[column][7] = None
    return pl.DataFrame(frame)


def targets_of(frame):
    """Classes (texts), and numbers, that depend on the columns."""
    children = frame["children"].fill_null(0).to_numpy()
    income = frame["income"].fill_null(20_000).to_numpy()
    value = frame["height"].fill_null(170).to_numpy() / 10 + children + np.log(np.abs(income) + 1)
    level = np.digitize(value, np.quantile(value, [0.3, 0.7]))
    return np.array(["low", "middle", "high"])[level], value


@cache
def classifier(**settings):
    """A classifier of `training_table`, trained once for all tests."""
    frame = training_table()
    return lamina.MLPClassifier(**QUICK | settings).fit(frame, targets_of(frame)[0])


def deciding(position, new):
    """A classifier of two classes with a threshold amid its probabilities, of the first or the second one; its rows."""
    frame = training_table()
    kinds = np.asarray(targets_of(frame)[0])
    y = np.where(kinds == np.unique(kinds)[0], ["a", "z"][position], "m")
    plain = lamina.MLPClassifier(**QUICK).fit(frame, y)
    assert plain.positive_class_ == ["a", "z"][position]
    middle = float(np.median(plain.predict_proba(new)[:, position]))
    model = lamina.MLPClassifier(**QUICK, threshold=middle - 1e-4).fit(frame, y)
    assert 0.2 < np.mean(model.predict(new) == model.positive_class_) < 0.8
    assert np.any(model.predict(new) != plain.predict(new))
    return model


@cache
def regressor(**settings):
    """A regressor of `training_table`."""
    frame = training_table()
    return lamina.MLPRegressor(**QUICK | settings).fit(frame, targets_of(frame)[1])


def rough_table(rows=800):
    """Two columns and a target, of which neighbouring values of the first one say different things."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 30, rows)
    X = np.stack([codes * 10.0, rng.normal(size=rows)], axis=1)
    return X, rng.normal(size=30)[codes] + X[:, 1] + 0.3 * rng.normal(size=rows)


MIXED = (
    {"members": 2},
    {
        "members": 1,
        "hidden_layer_sizes": (7,),
        "number_embedding": False,
        "normalization": "batch",
        "activation": "gelu",
        "embedding_width": 5,
        "input_scale": False,
        "learned_activation": False,
        "ntk": False,
    },
    {"members": 1, "hidden_layer_sizes": (), "number_pieces": 0},
)
"""Settings of networks that differ in every part that an ensemble's members may differ in."""
SHARES = (0.4, 0.1, 0.3, 0.2)


def mixture(train, shares=SHARES, of=MIXED):
    """Networks of different architectures as one estimator; `train` is `classifier` or `regressor`."""
    models = [train(**settings) for settings in of]
    mixed, fitted = copy.copy(models[0]), models[0].fitted_
    members = [member for model in models for member in model.fitted_.network.members]
    mixed.fitted_ = dataclasses.replace(fitted, network=Ensemble(members, shares))
    return mixed


@cache
def everything_at_once():
    """Quantiles, of constrained networks of different architectures, with shares of their own."""
    frame = training_table()

    def constrained(**settings):
        options = QUICK | QUANTILES | {"monotone": {"height": 1, "income": -1}} | settings
        return lamina.MLPRegressor(**options).fit(frame, targets_of(frame)[1])

    other = {"members": 1, "hidden_layer_sizes": (7,), "normalization": "batch", "learned_activation": True}
    return mixture(constrained, (0.45, 0.35, 0.2), ({"members": 2}, other))
