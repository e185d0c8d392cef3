"""Estimators with scikit-learn's interface and the defaults of RealMLP (Holzmüller, Grinsztajn, Steinwart, 2024)."""

from lamina.extras import require

require("an estimator", "scikit-learn")

from lamina.estimators.classifier import MLPClassifier  # noqa: E402 (needs scikit-learn)
from lamina.estimators.displays import ImportanceDisplay, LearningCurveDisplay, ShapDisplay  # noqa: E402
from lamina.estimators.regressor import MLPRegressor  # noqa: E402

__all__ = ["ImportanceDisplay", "LearningCurveDisplay", "MLPClassifier", "MLPRegressor", "ShapDisplay"]
