"""Estimators with scikit-learn's interface and the defaults of RealMLP (Holzmüller, Grinsztajn, Steinwart, 2024)."""

from lamina.estimators.classifier import MLPClassifier
from lamina.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
