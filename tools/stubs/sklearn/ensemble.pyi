from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

class _HistGradientBoosting(BaseEstimator):
    def __init__(
        self,
        *,
        max_iter: int = 100,
        max_leaf_nodes: int | None = 31,
        warm_start: bool = False,
        early_stopping: str | bool = "auto",
        random_state: int | None = None,
    ) -> None: ...
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self: ...

class HistGradientBoostingClassifier(ClassifierMixin, _HistGradientBoosting):
    def decision_function(self, X: Any) -> np.ndarray: ...

class HistGradientBoostingRegressor(RegressorMixin, _HistGradientBoosting): ...
