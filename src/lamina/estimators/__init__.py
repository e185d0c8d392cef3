"""Estimators with scikit-learn's interface and RealMLP's default settings (Holzmüller, Grinsztajn, Steinwart, 2024).

Prediction (`lamina.estimators.fitted`) doesn't import scikit-learn, which would take longer than predicting a table.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamina.support.extras import require
from lamina.support.unsupported import no_attribute

if TYPE_CHECKING:
    from lamina.estimators.classifier import MLPClassifier
    from lamina.estimators.displays import ImportanceDisplay, LearningCurveDisplay, ShapDisplay
    from lamina.estimators.regressor import MLPRegressor

__all__ = ["ImportanceDisplay", "LearningCurveDisplay", "MLPClassifier", "MLPRegressor", "ShapDisplay"]

_MODULES = {"MLPClassifier": "classifier", "MLPRegressor": "regressor"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise no_attribute("lamina.estimators", name)
    require("an estimator", "scikit-learn")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'displays')}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__})
