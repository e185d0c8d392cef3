"""The learned part of an estimator: its attributes, its outputs for tables, and its pickled state."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError

from lamina.errors import DataError, LaminaError, MissingPackageError
from lamina.estimators import importance
from lamina.estimators.data import Data, Parts, targets_of
from lamina.estimators.displays import ImportanceDisplay, LearningCurveDisplay, ShapDisplay
from lamina.estimators.fitted import FittedModel, hidden_of, outputs_of
from lamina.estimators.importance import Explanation, Importance
from lamina.estimators.inputs import check_inputs, values_of
from lamina.estimators.network import Ensemble
from lamina.estimators.scoring import shown_score
from lamina.estimators.targets import AnyTarget, Classes, Numbers
from lamina.estimators.training import without_network
from lamina.support.extras import require
from lamina.support.messages import printable
from lamina.table.describe import column_rows
from lamina.table.encode import Encoded, TableEncoder
from lamina.table.messages import rows_called, rows_from
from lamina.table.schema import Task
from lamina.table.stream.sources import is_source
from lamina.training import pictures


class Learned:
    """The attributes and outputs of a fitted estimator, as a base class."""

    fitted_: FittedModel[Any]
    loss_: float
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    best_loss_: float | None
    best_epoch_: int
    device_: str
    n_iter_: int
    t_: int
    trials_: list[dict[str, Any]]
    blend_score_: float | None

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The first member's weight matrices, (in, out) each.

        The last matrix has additional rows for a linear path.
        """
        network = self._fitted().network.members[0]
        return [network.multiplier(i) for i in range(self.n_layers_ - 1)]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The first member's bias vectors, (out,) each."""
        network = self._fitted().network.members[0]
        return [network[f"bias{i}"].asnumpy() for i in range(self.n_layers_ - 1)]

    @property
    def n_layers_(self) -> int:
        """The number of layers, including input and output."""
        return len(self._fitted().layers)

    @property
    def n_outputs_(self) -> int:
        """The number of outputs."""
        return self._fitted().layers[-1]

    @property
    def out_activation_(self) -> str:
        """The name of the function that maps outputs to probabilities or predictions."""
        return self._fitted().target.activation

    def leaderboard(self) -> list[dict[str, Any]]:
        """The ensemble and all trials of the search, as dicts.

        The ensemble comes first, then the trials from best to worst.

        The keys are `what` (a description), `number` (the index in `trials_`), `score` (on held-out rows, higher is
        better), `seconds` (the training time), `predicting` (the seconds to predict 1,000 rows; None if not measured),
        and `share` (the weight in the ensemble). If linear models and boosted trees would improve a search's average of
        networks, the second record says to which score (`blend_score_`).

        Raises:
            LaminaError: there was no search, or the model comes from a file.
        """
        from lamina.estimators.search.trial import leaderboard

        self._fitted()
        if "trials_" not in vars(self):
            raise LaminaError(
                "there is no leaderboard: the model was fitted without a search, or comes from a file; fit with "
                "time_limit, trials or preset='best'"
            )
        return leaderboard(self.trials_, self.best_validation_score_, vars(self).get("blend_score_"))

    def _fitted(self) -> FittedModel[Any]:
        if "fitted_" not in vars(self):
            # NotFittedError is an AttributeError, too, so that hasattr is false before fit.
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit first")
        return self.fitted_

    # --- prediction ----------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs, (rows, outputs)."""
        return self._computed(X, outputs_of)

    def _computed(self, X: Any, function: Callable[[Ensemble, Data], np.ndarray]) -> np.ndarray:
        """The result of `function` for the network and the encoded rows of a table.

        The rows must be the second-to-last axis of the result.
        """
        fitted = self._fitted()
        if is_source(X):
            from lamina.estimators.streamed import blocks_to_predict

            blocks = blocks_to_predict(X, fitted.encoder.schema.target)
            return np.concatenate([self._computed(block, function) for block in blocks], axis=-2)
        checked, _ = check_inputs(self, X, None, reset=False)
        return fitted.of_table(checked, function)

    def _probabilities(self, X: Any) -> np.ndarray:
        """The probability of each class or label, (rows, classes)."""
        fitted = self._fitted()
        if is_source(X):
            return fitted.target.probabilities(self._outputs(X))
        checked, _ = check_inputs(self, X, None, reset=False)
        return fitted.probabilities(checked)

    # --- pickles -------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickle, joblib and skops: the settings, and plain containers of arrays and scalars."""
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[arg-type] - typed as of object
        state.pop("_held_out", None)  # the user's rows don't belong in a file
        training = state.pop("_training", None)  # compiled; the next partial_fit continues in a new training
        if training is not None and training.network is self.fitted_.network:
            arrays, position = training.state()
            state["_position"] = without_network(arrays), position
        if "fitted_" in state:
            state["fitted_"] = state["fitted_"].state()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        over: Any = super()
        over.__setstate__(modern_state(state, type(self).__name__))


class Embedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Learned, BaseEstimator):
    """A base class that makes an estimator a scikit-learn transformer."""

    def transform(self, X: Any) -> np.ndarray:
        """The last hidden layer's activations, (rows, features), float32: the network's representation of each row.

        All members' activations are concatenated, in order. Without hidden layers, the features are the encoded
        row with its embeddings. `get_feature_names_out` returns the features' names; `set_output` selects data frames.

        >>> import numpy as np
        >>> from lamina import MLPClassifier
        >>> X = np.linspace(0, 1, 40, dtype=np.float32).reshape(-1, 1)
        >>> settings = {"hidden_layer_sizes": (16, 4), "members": 2, "max_iter": 2, "random_state": 0}
        >>> model = MLPClassifier(preset="fast", **settings).fit(X, X[:, 0] > 0.5)
        >>> model.transform(X).shape, model.get_feature_names_out()[-1]
        ((40, 8), 'mlpclassifier7')
        """
        return self._computed(X, hidden_of)

    @property
    def _n_features_out(self) -> int:
        return sum(widths[-2] for widths in self._fitted().network.widths)


_EARLY = ("_network_state", "_encoder_state", "_multilabel", "_flat", "_low", "_high", "_center", "_scale")


def modern_state(state: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """An estimator's attributes in the current layout, from a pickle of any version.

    Raises:
        DataError: the version is unknown, or the data is damaged.
    """
    fitted: dict[str, object] | FittedModel[Any] | None = state.get("fitted_")
    try:
        if "_network_state" in state:
            return _of_attributes(state, kind)
        # In versions between 0.1 and the current one, pickles held the FittedModel itself.
        return (
            {**state, "fitted_": FittedModel.from_state(fitted)} if isinstance(fitted, dict) else dict(state)
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"this pickle of an {kind} can't be read: it is damaged, or from a newer version of lamina ({error!r})"
        ) from error


def _of_attributes(state: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """An estimator's attributes in the current layout, from a pickle of lamina 0.1, which lacks `fitted_`."""
    rest = {name: value for name, value in state.items() if name not in _EARLY}
    architecture, members = state["_network_state"]
    arrays = {name: x for i, member in enumerate(members) for name, x in _arrays(f"{i}.", member).items()}
    if kind == "MLPClassifier":
        target: AnyTarget = Classes(rest.pop("classes_"), state["_multilabel"])
    else:
        scale = (state[name] for name in ("_low", "_high", "_center", "_scale"))
        target = Numbers(*scale, flat=state["_flat"], logarithmic=state["loss"] == "poisson")
    encoder = TableEncoder.from_state(*state["_encoder_state"])
    network = Ensemble.from_state([architecture] * len(members), arrays)
    return {**rest, "fitted_": FittedModel(encoder, network, target)}


def _arrays(prefix: str, member: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A member's arrays by their current names, which begin with `prefix`, from a pickle of lamina 0.1."""
    weights = {prefix + name: values for name, (values, _rate, _decay) in member["weights"].items()}
    return weights | {f"{prefix}running.{name}": x for name, x in member["running"].items()}


# --- figures and explanations -----------------------------------------------------------------------------------------
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
        """SHAP values: each column's contribution to each prediction (see `lamina.estimators.importance`).

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
        with rows_from(0), rows_called(lambda index: f"row {index} of the background (counting from 0)"):
            others = self._held_out_rows(instead)[0] if background is None else self._encoded(background)
        if not len(others.numeric):
            raise ValueError("the background has no rows to compare with")
        drawn = np.sort(rng.permutation(len(others.numeric))[: importance.BACKGROUND_ROWS])
        others = Encoded(others.numeric[drawn], others.codes[drawn])
        game = importance.Game.of(fitted, Encoded(rows.numeric[:], rows.codes), others)
        names = [column.name for column in fitted.encoder.schema.columns]
        return importance.explained(game, values_of(X), names, method, repeats, rng)

    def word_values(self, X: Any, column: str) -> list[dict[str, Any]]:
        """The effect of each word in a text column: the prediction minus the prediction without the word.

        For a regressor, `predict` is explained, in the target's unit; for a classifier, `predict_proba`. Words are
        separated by spaces; case and surrounding punctuation are ignored, and all occurrences of a word are removed
        together. Unlike SHAP values, these effects have no fixed sum. The method is called occlusion (see
        `lamina.estimators.importance`).

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
        return importance.word_values(self._fitted(), X, column)

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
        few = [part.some(slice(-(-importance.MOST_ROWS // len(parts)))) for part in parts]
        target, _ = targets_of(few)
        codes = [part.codes[part.chosen()] for part in few if part.codes is not None]
        numeric = np.concatenate([part.numeric[part.chosen()] for part in few])
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
