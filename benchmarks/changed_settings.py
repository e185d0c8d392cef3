"""A preset with some settings changed, beside the preset, on the tables of the other experiments.

python benchmarks/changed_settings.py '{"dropout": 0}' '{"learning_rate_init": 0.2}' --tables diamonds,SLID --seeds 2
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

from paired import Split, arguments, loss_of, measured, split, summary

import lamina

TABLES = ("california", "diamonds", "Computers", "BudgetFood", "NOxEmissions", "CPS1988", "SLID", "Star")


def losses(one: Split, settings: dict[str, Any], preset: str, seed: int) -> Iterator[dict[str, Any]]:
    """A line for the model with these settings."""
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    model = kind(preset=preset, random_state=seed, **settings).fit(one.X, one.y)
    predicted = (model.predict_proba if one.is_classification else model.predict)(one.X_test)
    loss = loss_of(one, predicted, getattr(model, "classes_", None))
    yield {"loss": loss, "held": -model.best_validation_score_}


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__, TABLES, "changed_settings.jsonl", seeds=2)
    parser.add_argument("settings", nargs="*", help="of each variant, as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    variants = {text: json.loads(text) for text in ["{}", *options.settings]}
    lines: list[Any] = []
    for name in options.tables.split(","):
        one = split(name, options.folder)
        keys = [
            {"table": name, "preset": options.preset, "variant": variant, "seed": seed}
            for seed in range(options.seeds)
            for variant in variants
        ]
        lines = measured(
            options.out,
            keys,
            lambda key, one=one: losses(one, variants[key["variant"]], key["preset"], key["seed"]),
        )
    lines = [line for line in lines if line["preset"] == options.preset]
    print("test\n" + summary(lines, [*variants]), "\nheld out\n" + summary(lines, [*variants], "held"))


if __name__ == "__main__":
    main()
