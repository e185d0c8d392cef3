"""scikit-learn's fitted networks as lamina's estimators: the same predictions, and training that goes on."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils.fixes import parse_version

import lamina
from lamina.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4)) * [1, 10, 100, 0.1] + 3
WORDS = np.array(["a", "b", "c"])[RNG.integers(0, 3, 80)]
LABELS = (RNG.random((80, 3)) > 0.5).astype(int)
SCALERS = [
    StandardScaler(),
    StandardScaler(with_std=False),
    MinMaxScaler((-1, 2)),
    RobustScaler(),
    MaxAbsScaler(),
]


def fitted(model, y, scaler=None, table=X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (model if scaler is None else make_pipeline(scaler, model)).fit(table, y)


def classifier(**settings):
    return MLPClassifier((6, 5), max_iter=20, random_state=0, **settings)


def regressor(**settings):
    return MLPRegressor(hidden_layer_sizes=(6,), max_iter=20, random_state=0, **settings)


@pytest.mark.few(1)
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("target", [WORDS, WORDS == "a", LABELS], ids=["many", "two", "labels"])
def test_a_classifier_predicts_the_same_and_trains_on(activation, target, tmp_path):
    theirs = fitted(classifier(activation=activation), target, StandardScaler())
    ours = lamina.from_sklearn(theirs)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=2e-6)
    assert (ours.predict(X) == theirs.predict(X)).all()
    assert np.array_equal(ours.classes_, theirs[-1].classes_)
    lamina.save(ours, tmp_path / "model.safetensors")
    assert np.array_equal(lamina.load(tmp_path / "model.safetensors").predict_proba(X), ours.predict_proba(X))
    before = ours.loss_
    for _ in range(30):
        ours.partial_fit(X, target)
    assert ours.loss_ < before
    assert ours.n_iter_ == theirs[-1].n_iter_ + 30


@pytest.mark.parametrize("scaler", [None, *SCALERS], ids=str)
def test_a_regressor_predicts_the_same(scaler):
    for target in (X[:, 0], X[:, :2]):
        theirs = fitted(regressor(), target, scaler)
        ours = lamina.from_sklearn(theirs)
        wanted = theirs.predict(X)
        assert ours.predict(X).shape == wanted.shape
        np.testing.assert_allclose(ours.predict(X), wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def test_a_table_with_names_and_the_settings():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    theirs = fitted(classifier(alpha=0.01, solver="lbfgs"), WORDS, StandardScaler(), frame)
    ours = lamina.from_sklearn(theirs)
    assert list(ours.feature_names_in_) == ["a", "b", "c", "d"]
    np.testing.assert_allclose(ours.predict_proba(frame), theirs.predict_proba(frame), atol=2e-6)
    assert (ours.alpha, ours.solver, ours.hidden_layer_sizes, ours.preset) == (
        0.01,
        "adam",
        (6, 5),
        "fast",
    )
    again = lamina.from_sklearn(theirs).set_params(warm_start=True, max_iter=3, solver="sgd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert again.fit(frame, WORDS).loss_ < 2 * theirs[-1].loss_


# --- pipelines of steps that take each column by itself ---------------------------------------------------------------

COLORS = np.array(["red", "green", "blue", "grey"])[RNG.integers(0, 4, 80)]
FRAME = pd.DataFrame(
    {
        "width": np.where(RNG.random(80) < 0.2, np.nan, X[:, 1]),
        "since": 1.6e9 + 1e3 * RNG.normal(size=80),
        "color": np.where(RNG.random(80) < 0.2, None, COLORS),
        "side": np.where(X[:, 0] > 3, "left", "right"),
        "grade": RNG.integers(1, 5, 80),
        "unread": RNG.normal(size=80),
        "member": RNG.random(80) > 0.5,
    }
)
MISSING = FRAME.assign(width=np.nan, color=FRAME["color"].where(np.zeros(80, bool)))
MOST = ["width", "since"]
STEPS = {
    "impute, scale, one-hot": make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), MOST),
        (
            make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
            ["color", "side"],
        ),
    ),
    "flags, scaled after": make_pipeline(
        make_column_transformer(
            (SimpleImputer(add_indicator=True), MOST),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["color", "member"]),
            sparse_threshold=0,
        ),
        StandardScaler(),
    ),
    "remainder passes": make_column_transformer(
        (SimpleImputer(), ["width"]),
        (OneHotEncoder(drop="if_binary"), ["side", "grade", "member"]),
        ("drop", ["color"]),
        remainder=MinMaxScaler(),
    ),
    "a column twice": make_column_transformer(
        (SimpleImputer(), ["width"]),
        (make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0), RobustScaler()), ["width", "since"]),
        (StandardScaler(), ["grade"]),
        (OneHotEncoder(), ["grade", "color"]),
    ),
    "infrequent, ordinal, by mean": make_column_transformer(
        (OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist"), ["color"]),
        (make_pipeline(OrdinalEncoder(), MinMaxScaler()), ["side", "grade"]),
        (TargetEncoder(target_type="continuous", random_state=0), ["grade"]),
        (make_pipeline(VarianceThreshold(), StandardScaler()), ["since", "unread"]),
        verbose_feature_names_out=True,
    ),
}  # fmt: skip


def as_polars(frame):
    """A frame of polars with null for missing values."""
    columns = {name: [None if pd.isna(x) else x for x in frame[name].tolist()] for name in frame}
    return pl.DataFrame(columns, schema_overrides={"width": pl.Float64, "color": pl.String})


LIBRARIES = [
    pd.DataFrame,
    *([as_polars] if parse_version(sklearn.__version__) >= parse_version("1.9") else []),
]
"""Before, a ColumnTransformer itself did not find columns of polars by name."""


@pytest.mark.few(1)
@pytest.mark.filterwarnings(
    "ignore:values that training did not have count as missing"
)  # there are none here
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_whole_pipeline_predicts_the_same(steps, library, tmp_path):
    frames = [library(one) for one in (FRAME, MISSING)]
    theirs = fitted(regressor(), X[:, 1] + FRAME["grade"], clone(STEPS[steps]), frames[0])
    ours = lamina.from_sklearn(theirs)
    assert list(ours.feature_names_in_) == list(FRAME) and ours.n_features_in_ == 7
    for frame in frames:
        wanted = theirs.predict(frame)
        np.testing.assert_allclose(ours.predict(frame), wanted, atol=1e-5 * np.abs(wanted).max())
    lamina.save(ours, tmp_path / "model.safetensors")
    assert np.array_equal(lamina.load(tmp_path / "model.safetensors").predict(FRAME), ours.predict(FRAME))
    before = ours.partial_fit(FRAME, X[:, 1]).loss_
    for _ in range(30):
        ours.partial_fit(FRAME, X[:, 1])
    assert ours.loss_ < before


@pytest.mark.parametrize(
    "steps",
    [
        ColumnTransformer([("a", StandardScaler(), slice(0, 3)), ("b", OneHotEncoder(), [-1])]),
        make_pipeline(
            "passthrough",
            ColumnTransformer([("a", SimpleImputer(), [4, 0]), ("b", "drop", [1])], remainder="passthrough"),
            ColumnTransformer([("a", OneHotEncoder(), [0]), ("b", MaxAbsScaler(), [2, 1])]),
        ),
        make_pipeline(VarianceThreshold(200), StandardScaler()),
        OneHotEncoder(max_categories=30),
    ],
    ids=["by position", "steps that move columns", "few are left", "more categories than units"],
)
def test_columns_are_found_by_position(steps):
    table = np.c_[X.round(), FRAME["grade"]]
    theirs = fitted(classifier(), WORDS, clone(steps), table)
    ours = lamina.from_sklearn(theirs)
    np.testing.assert_allclose(ours.predict_proba(table), theirs.predict_proba(table), atol=2e-6)


ODD = {
    "city": np.where(RNG.random(80) < 0.2, None, COLORS),
    "count": RNG.choice([1, 2, 30], 80),
}


def test_what_unknown_values_are_is_said():
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder=StandardScaler()
    )
    theirs = fitted(regressor(), X[:, 1], encoder, pd.DataFrame(ODD))
    with pytest.warns(
        UserWarning, match="in columns 'city' the pipeline distinguishes them from missing values"
    ):
        lamina.from_sklearn(theirs)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (
            make_column_transformer(
                (OneHotEncoder(handle_unknown="ignore"), ["count"]), (StandardScaler(), ["count"])
            ),
            "column 'count' is encoded as a category and used as a number",
        ),
        (
            make_column_transformer((SimpleImputer(missing_values=-1), ["count"])),
            r"SimpleImputer\(missing_values=-1\) counts other values as missing than lamina does",
        ),
    ],
    ids=["two uses", "a number for missing"],
)
def test_what_lamina_would_read_otherwise_is_refused(steps, told):
    theirs = fitted(regressor(), X[:, 1], steps, pd.DataFrame(ODD))
    with pytest.raises(DataError, match=told):
        lamina.from_sklearn(theirs)


def test_what_is_no_such_network():
    with pytest.raises(
        TypeError, match="takes scikit-learn's MLPClassifier or MLPRegressor, not a LogisticReg"
    ):
        lamina.from_sklearn(LogisticRegression())
    with pytest.raises(DataError, match="this MLPClassifier is not fitted yet"):
        lamina.from_sklearn(MLPClassifier())
    with pytest.raises(DataError, match="step MinMaxScaler is not supported"):
        lamina.from_sklearn(fitted(classifier(), WORDS, MinMaxScaler(clip=True)))
    with pytest.raises(DataError, match="step OneHotEncoder is not supported"):  # of numbers that were scaled
        lamina.from_sklearn(fitted(classifier(), WORDS, make_pipeline(StandardScaler(), OneHotEncoder())))
    with pytest.raises(DataError, match="step PCA is not supported: lamina supports scaling"):
        lamina.from_sklearn(fitted(classifier(), WORDS, PCA(2)))
    broken = fitted(classifier(), WORDS)
    broken.coefs_[1][0, 0] = np.nan
    with pytest.raises(DataError, match=r"coefs_\[1\] has values that are not finite"):
        lamina.from_sklearn(broken)


@pytest.mark.slow
def test_taking_over_needs_scikit_learn_only():
    """As with `pip install 'lamina[sklearn]'`: nothing of ONNX is there."""
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "from sklearn.neural_network import MLPRegressor\n"
        "import lamina\n"
        "model = MLPRegressor(hidden_layer_sizes=(3,), solver='lbfgs', max_iter=9).fit([[0.0], [1.0]], [0.0, 1.0])\n"
        "print(lamina.from_sklearn(model).predict([[1.0]]).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "(1,)", done.stderr
