"""Figures and explanations of a fitted estimator, and its notebook display."""

from __future__ import annotations

import base64
from html import escape
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from lamina.errors import MissingPackageError
from lamina.estimators import importance
from lamina.estimators._learned import Learned
from lamina.estimators.data import Parts
from lamina.estimators.displays import ImportanceDisplay, LearningCurveDisplay, ShapDisplay
from lamina.estimators.importance import Importance
from lamina.estimators.inputs import check_inputs, values_of
from lamina.estimators.scoring import shown_score
from lamina.estimators.shapley import BACKGROUND_ROWS, Explanation, Game, explained
from lamina.support.extras import require
from lamina.support.messages import printable
from lamina.table.describe import column_rows
from lamina.table.encode import Encoded
from lamina.table.schema import Task
from lamina.training import pictures


class Views(Learned, BaseEstimator):
    """The methods of an estimator that plot and explain its results, as a base class."""

    _task: ClassVar[Task]
    _held_out: tuple[Encoded, np.ndarray] | None = None
    """At most `importance.MOST_ROWS` validation rows, with their encoded targets."""

    def plot_learning_curve(self, *, ax: Any = None) -> LearningCurveDisplay:
        """Plot the training and validation loss by epoch into `ax` or a new figure; see `LearningCurveDisplay`."""
        return LearningCurveDisplay.from_estimator(self, ax=ax)

    def plot_importance(
        self,
        X: Any = None,
        y: Any = None,
        *,
        ax: Any = None,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> ImportanceDisplay:
        """Plot the increase in loss when each column is shuffled, into `ax` or a new figure.

        By default, the loss is computed on rows that `fit` held out; see `ImportanceDisplay.from_estimator`.
        """
        return ImportanceDisplay.from_estimator(self, X, y, ax=ax, random_state=random_state, n_jobs=n_jobs)

    def shap_values(
        self, X: Any, background: Any = None, *, method: str = "auto", repeats: int = 1, random_state: int = 0
    ) -> Explanation:
        """SHAP values: each column's contribution to each prediction (see `lamina.estimators.shapley`).

        For a regressor, `predict` is explained, in the target's unit; for a classifier, `predict_proba`. The values of
        a row sum to the row's prediction minus the mean prediction of the background rows.

        Args:
            X: the rows to explain.
            background: the rows to compare with (at most 100; of more, a sample is drawn); by default the rows that
                `fit` held out.
            method: "exact" uses all coalitions of columns, at most 16; "sampled" uses random orders of the columns,
                2 · `repeats` for each background row; "auto" is exact for up to 6 columns, otherwise sampled.
            repeats: see `method`; the sampling error is proportional to 1 / √repeats.
            random_state: the seed of the sampling.

        Raises:
            ValueError: no rows were held out and no background is given, or the method is invalid.
            DataError: the table does not match the training table.

        >>> import numpy as np
        >>> from lamina import MLPRegressor
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> model = MLPRegressor(preset="fast", max_iter=5, random_state=0).fit(X, X[:, 0] + 2 * X[:, 1])
        >>> found = model.shap_values(X[:5], background=X[:50])
        >>> found.values.shape
        (5, 2)
        >>> bool(np.allclose(found.base_values + found.values.sum(axis=1), model.predict(X[:5])))
        True
        """
        fitted = self._fitted()
        rng = np.random.default_rng(random_state)
        rows = self._encoded(X)
        if not len(rows.numeric):
            raise ValueError("X has no rows to explain")
        instead = "shap_values(X, background)"
        others = self._held_out_rows(instead)[0] if background is None else self._encoded(background)
        if not len(others.numeric):
            raise ValueError("the background has no rows to compare with")
        drawn = np.sort(rng.permutation(len(others.numeric))[:BACKGROUND_ROWS])
        others = Encoded(others.numeric[drawn], others.codes[drawn])
        game = Game.of(fitted, Encoded(rows.numeric[:], rows.codes), others)
        names = [column.name for column in fitted.encoder.schema.columns]
        return explained(game, values_of(X), names, method, repeats, rng)

    def word_values(self, X: Any, column: str) -> list[dict[str, Any]]:
        """The effect of each word in a text column: the prediction minus the prediction without the word.

        For a regressor, `predict` is explained, in the target's unit; for a classifier, `predict_proba`. Words are
        separated by spaces; case and surrounding punctuation are ignored, and all occurrences of a word are removed
        together. Unlike SHAP values, these effects have no fixed sum. The method is called occlusion (see
        `lamina.estimators.occlusion`).

        Args:
            X: the rows to explain, with all columns.
            column: the text column.

        Returns:
            For each row, a dict from each word, in the text's order, to the word's effect: a number, or float64
            (outputs,) for several classes, labels or targets.

        Raises:
            DataError: there is no such text column, or the table does not match the training table.

        >>> import numpy as np, pandas as pd
        >>> from lamina import MLPRegressor
        >>> words = np.random.default_rng(0).choice(["red", "old", "big", "new", "car", "bike"], (300, 3))
        >>> X = pd.DataFrame({"title": [" ".join(row) for row in words]})
        >>> model = MLPRegressor(preset="fast", random_state=0, column_kinds={"title": "text"})
        >>> found = model.fit(X, 1.0 * (words == "red").any(axis=1)).word_values(X[:50], "title")
        >>> reds = [row["red"] for row in found if "red" in row]
        >>> min(reds) > 0.5
        True
        """
        from lamina.estimators.occlusion import word_values

        return word_values(self._fitted(), X, column)

    def plot_shap(self, X: Any, background: Any = None, *, ax: Any = None, output: Any = None) -> ShapDisplay:
        """Plot the SHAP values of rows as points, column by column; see `ShapDisplay.from_estimator`."""
        return ShapDisplay.from_estimator(self, X, background, ax=ax, output=output)

    def report(self, path: Any, X: Any, y: Any) -> None:
        """Write a self-contained report page about the estimator and its quality, as `lamina train` does.

        Args:
            path: the HTML file, written atomically.
            X, y: rows not used in training.

        Raises:
            NotFittedError: the estimator is not fitted.
            MissingPackageError: Jinja2, Polars or Narwhals are not installed.
            DataError: there are several targets or labels, or `X` does not match the training table.
        """
        require("writing a report", "polars", "narwhals", "jinja2")
        from lamina.runs.report import report_on
        from lamina.support.files.atomic import atomic_write

        self._fitted()
        page = report_on(self, X, y)
        with atomic_write(path) as file:
            file.write(page.encode())

    # --- data of the figures -------------------------------------------------------------------------------------

    def _learning_curves(self) -> dict[str, Any]:
        """The arguments for a `LearningCurveDisplay` of this estimator."""
        estimator: Any = self
        self._fitted()
        loss = "log-loss" if self._task == "classification" else "loss"
        scores = self.validation_scores_
        kept = getattr(self, "best_epoch_", None) if scores else None
        name, sign = shown_score(estimator._chosen_scoring())
        name = loss if name == "loss" else name
        scores = None if scores is None else [sign * score for score in scores]
        curves = {"training": list(self.loss_curve_), "validation": scores, "kept": kept}
        return {**curves, "loss_name": loss, "score_name": name}

    def _importances(self, X: Any, y: Any, seed: int, n_jobs: int | None) -> tuple[list[Importance], str]:
        """The importance of each column, and the name of the loss.

        By default, the rows are held-out rows.
        """
        fitted = self._fitted()
        encoded, target = self._held_out_rows() if X is None and y is None else self._given_rows(X, y)
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.permutation(len(target))[: importance.MOST_ROWS])
        few = Encoded(encoded.numeric[rows], encoded.codes[rows])
        found = importance.permutation_importance(fitted, few, target[rows], rng, n_jobs)
        return found, importance.loss_name(fitted.target)

    def _given_rows(self, X: Any, y: Any) -> tuple[Encoded, np.ndarray]:
        estimator: Any = self
        if X is None or y is None:
            given, missing = ("X", "y") if y is None else ("y", "X")
            raise ValueError(f"{given} needs {missing}, too, since the importance is an increase of the loss")
        fitted = self._fitted()
        X, y = check_inputs(self, X, y, reset=False)  # pyright: ignore[reportConstantRedefinition]
        target = estimator._checked_target(y)
        is_class = self._task == "classification"
        return fitted.encode(X), fitted.target.encode(target) if is_class else target

    def _encoded(self, X: Any) -> Encoded:
        checked, _ = check_inputs(self, X, None, reset=False)
        return self._fitted().encode(checked)

    def _held_out_rows(self, instead: str = "plot_importance(X, y)") -> tuple[Encoded, np.ndarray]:
        if self._held_out is None:
            raise ValueError(
                "there are no held-out rows: fit held none out, or the estimator was pickled or loaded afterwards; "
                f"give rows that were not used in training: {instead}"
            )
        encoded, target = self._held_out
        is_class = self._task == "classification"
        return encoded, target if is_class else self._fitted().target.decode(target)

    def _keep_held_out(self, parts: Parts) -> None:
        """Keep a sample of the validation rows for `plot_importance`."""
        self._held_out = None
        if not parts or not isinstance(parts[0].numeric, np.ndarray):
            return
        most = -(-importance.MOST_ROWS // len(parts))
        chosen = [part.chosen(0, most) for part in parts]
        pairs = list(zip(parts, chosen, strict=True))
        target = np.concatenate([part.target[rows] for part, rows in pairs])
        codes = [part.codes[rows] for part, rows in pairs if part.codes is not None]
        numeric = np.concatenate([part.numeric[rows] for part, rows in pairs])
        none = np.empty((len(target), 0), np.int32)
        self._held_out = Encoded(numeric, np.concatenate(codes or [none])), target

    # --- notebooks -----------------------------------------------------------------------------------------------

    def _repr_html_inner(self) -> str:
        """scikit-learn's HTML view of an estimator and, once fitted, its columns and learning curves."""
        return super()._repr_html_inner() + self._fitted_html()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """The display of `_repr_html_inner`, by media type, for notebook kernels."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] += self._fitted_html()
        return bundle

    def _fitted_html(self) -> str:
        if "fitted_" not in vars(self):
            return ""
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(printable(text))}</td>' for text in row.cells)}</tr>"
            for row in column_rows(self.fitted_.encoder.schema, self.fitted_.monotone)
        )
        titles = ("column", "kind", "missing", "values", "network inputs")
        head = "".join(f"<th>{title}</th>" for title in titles)
        columns = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return (
            f"<details open><summary>Learning curves</summary>{self._curves_html()}</details>"
            f"<details><summary>Columns</summary>{columns}</details>"
        )

    def _curves_html(self) -> str:
        display = LearningCurveDisplay(**self._learning_curves())
        try:
            svg = pictures.drawn(lambda figure: display.plot(figure.subplots()), 5.6, 3.2)
        except MissingPackageError as error:
            return f"<p>{escape(str(error))}</p>"
        data = base64.b64encode(svg).decode()
        return f"<img alt='training and validation loss by epoch' src='data:image/svg+xml;base64,{data}'>"
