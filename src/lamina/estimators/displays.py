"""Figures of fitted estimators as scikit-learn `Display` objects, which keep their data and can be plotted again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from lamina.estimators.declaring import is_number
from lamina.estimators.importance import Explanation, Importance
from lamina.support.extras import require
from lamina.support.messages import printable
from lamina.training import pictures


class _Display:
    """The base class of the displays; `ax_` and `figure_` are the axes and figure of the last plot."""

    ax_: Any
    figure_: Any

    def _begin(self, ax: Any, height: float) -> Any:
        require("drawing pictures", "matplotlib")
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(6.4, height), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax


@dataclass(eq=False, repr=False, kw_only=True)
class LearningCurveDisplay(_Display):
    """Training and validation loss by epoch.

    Attributes:
        training: the training loss of each epoch.
        validation: the validation loss or score of each epoch; None without validation.
        kept: the epoch whose network was kept, counted from 1; None: the last epoch.
        loss_name, score_name: the names of loss and score.
        lines_: Matplotlib's lines of the last plot.
    """

    training: Sequence[float]
    validation: Sequence[float] | None = None
    kept: int | None = None
    loss_name: str = "loss"
    score_name: str = "loss"

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Plot the learning curves of a fitted estimator into `ax` or a new figure; return the display.

        Raises:
            NotFittedError: the estimator is not fitted.
            MissingPackageError: Matplotlib is not installed.
        """
        return cls(**estimator._learning_curves()).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot the curves into `ax` or a new figure.

        A score that is not a loss gets a separate axis.
        """
        ax = self._begin(ax, 3.6)
        numbers = range(1, len(self.training) + 1)
        lines = {"training": self.training}
        together = self.score_name == self.loss_name
        if self.validation is not None and together:
            lines["validation"] = self.validation
        self.lines_ = pictures.curves(ax, numbers, pictures.Curves(self.loss_name, lines, self.kept))
        if self.validation is not None and not together:
            beside = ax.twinx()
            self.lines_ += beside.plot(numbers, self.validation, color=pictures.BLUE, label="validation")
            beside.set(ylabel=f"validation {self.score_name}")
            beside.legend(loc="lower right")
        return self


class ImportanceDisplay(_Display):
    """Permutation importance: the increase of a loss when a column is shuffled (Breiman, 2001), with 95 % intervals.

    Attributes:
        importances: the columns' importances, largest first.
        unit: the loss: "log-loss", "RMSE" or "pinball loss".
        bars_: Matplotlib's bars of the last plot.
    """

    def __init__(self, *, importances: Sequence[Importance], unit: str) -> None:
        self.importances, self.unit = importances, unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        ax: Any = None,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> Self:
        """Plot the importances of a fitted estimator's columns into `ax` or a new figure; return the display.

        Args:
            estimator: the fitted estimator.
            X, y: rows not used in training; by default up to 2000 rows that `fit` held out. A pickle or a saved
                file of the estimator lacks these rows.
            ax: Matplotlib's axes.
            random_state: the seed of the shuffles.
            n_jobs: the number of columns to evaluate in parallel, by joblib.

        Raises:
            ValueError: no rows were held out, and `X` and `y` are missing.
            MissingPackageError: Matplotlib is not installed.
        """
        found, unit = estimator._importances(X, y, random_state, n_jobs)
        return cls(importances=found, unit=unit).plot(ax)

    def plot(self, ax: Any = None, *, most: int = 30) -> Self:
        """Plot the `most` most important columns into `ax` or a new figure."""
        shown = self.importances[:most]
        ax = self._begin(ax, 1.2 + 0.28 * len(shown))
        names = [one.column for one in shown]
        self.bars_ = pictures.bars(ax, names, shown, f"increase in {self.unit} when shuffled")
        return self


class ShapDisplay(_Display):
    """SHAP values of rows as points, column by column; points to the right raise the prediction.

    Overlapping points are spread vertically. Their colour is the column's value, from low (blue) to high (orange);
    texts, booleans and missing values are gray.

    Attributes:
        explanation: the explanation of a single output.
        of: a description of the explained quantity, for the axis label.
        points_: Matplotlib's points of the last plot, by column.
    """

    def __init__(self, *, explanation: Explanation, of: str = "the prediction") -> None:
        self.explanation, self.of = explanation, of

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        background: Any = None,
        *,
        ax: Any = None,
        output: Any = None,
        **options: Any,
    ) -> Self:
        """Plot the SHAP values of a fitted estimator's predictions into `ax` or a new figure; return the display.

        Args:
            estimator: the fitted estimator.
            X, background, options: the arguments of the estimator's `shap_values`.
            ax: Matplotlib's axes.
            output: the class, label or target to explain, by name or position; by default the last.

        Raises:
            ValueError, DataError: as for `shap_values`.
            MissingPackageError: Matplotlib is not installed.
        """
        found = estimator.shap_values(X, background, **options)
        if not found.output_names:
            return cls(explanation=found).plot(ax)
        place = found.place_of(-1 if output is None else output)
        name = found.output_names[place]
        what = "probability" if estimator._task == "classification" else "prediction"
        of = f"the {what} of {name}"
        return cls(explanation=found.of_output(place), of=printable(of, keep="")).plot(ax)

    def plot(self, ax: Any = None, *, most: int = 20) -> Self:
        """Plot the `most` most important columns into `ax` or a new figure."""
        found = self.explanation
        order = np.argsort(-found.mean_absolute(), kind="stable")[:most]
        ax = self._begin(ax, 1.2 + 0.34 * len(order))
        names: list[str] = [found.feature_names[j] for j in order]
        columns = [(found.values[:, j], _shades(found.data[:, j])) for j in order]
        self.points_ = pictures.swarms(
            ax, names, columns, f"SHAP value: the column's contribution to {self.of}"
        )
        return self


def _shades(values: np.ndarray) -> np.ndarray:
    """The rank of each value among the distinct values, scaled from 0 to 1.

    Values that are not numbers get NaN.
    """
    numeric = [is_number(x) for x in values]
    shades = np.full(len(values), np.nan)
    present = values[numeric].astype(np.float64)
    distinct, places = np.unique(present[~np.isnan(present)], return_inverse=True)
    shades[np.flatnonzero(numeric)[~np.isnan(present)]] = places / max(len(distinct) - 1, 1)
    return shades
