"""lamina as a model of AutoGluon and TabArena.

    python -m venv arena && arena/bin/pip install '.[sklearn,table]' autogluon.tabular==1.6.3 tabarena==0.1.0
    arena/bin/python benchmarks/autogluon_model.py                            # FitHelper.verify_model

`LaminaModel` goes into `TabularPredictor.fit(hyperparameters={LaminaModel: {"preset": "medium"}})`, and into TabArena's
`ConfigGenerator` and `ExperimentBatchRunner` as other models do. AutoGluon's validation rows end the training, and its
time limit does. `tuned_peers.py` compares lamina's search with AutoGluon's.
"""

from __future__ import annotations

import time
import warnings
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


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    verify()
