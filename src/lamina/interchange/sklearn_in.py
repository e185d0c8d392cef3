"""Conversion of scikit-learn's fitted networks to lamina estimators, `from_sklearn`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.support import messages
from lamina.support.extras import require
from lamina.table.columns import as_column, is_missing, value_name
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer
from lamina.table.schema import ColumnSchema
from lamina.table.types import Category, Dropped, Number

_SAME_SETTINGS = (
    "hidden_layer_sizes", "activation", "alpha", "batch_size", "learning_rate_init", "max_iter", "random_state", "tol",
    "verbose", "warm_start", "momentum", "nesterovs_momentum", "early_stopping", "validation_fraction", "beta_1",
    "beta_2", "epsilon", "n_iter_no_change",
)  # fmt: skip
_LEARNED = (
    "loss_", "loss_curve_", "validation_scores_", "best_validation_score_", "best_loss_", "n_iter_", "t_",
)  # fmt: skip
_LARGEST = np.finfo(np.float64).max
_UNKNOWN = ("\0", -(2**40), -(2**41))  # a string and numbers that are no category
_AT_ONCE = 256  # columns
_ROUNDING = 1e-9  # tolerance for scaled numbers, whose magnitude is about 1


def from_sklearn(model: Any) -> Any:
    """Convert a fitted MLPClassifier or MLPRegressor of scikit-learn to a lamina estimator.

    Estimators of `lamina.neural_network` are converted, too. The result predicts the same, up to float32 rounding, and
    can be trained further: by `partial_fit`, or by `fit` after ``set_params(warm_start=True)``. Common settings are
    kept; after ``solver="lbfgs"``, training continues with Adam. A network with one logistic output gets two outputs,
    one per class.

    Args:
        model: the estimator; or a pipeline that ends with it, after steps that process each column separately: scalers,
            SimpleImputer, OneHotEncoder, OrdinalEncoder, TargetEncoder, selection of columns; also in a
            ColumnTransformer and pipelines inside it. Numbers get the steps' scale and fill value,
            categories an embedding of the steps' outputs. Categories that an encoder did not see count
            as missing; a warning names the columns where the pipeline treats them differently.

    Returns:
        A `lamina.MLPClassifier` or `lamina.MLPRegressor`, with all settings as in scikit-learn. It takes
        the pipeline's input table.

    Raises:
        TypeError: another kind of estimator.
        DataError: the model is not fitted; the pipeline has an unsupported step; a column is used as both category
            and number.

    >>> import numpy as np
    >>> from sklearn.neural_network import MLPClassifier
    >>> import lamina as mx
    >>> X = np.linspace(-1, 1, 40).reshape(-1, 2)
    >>> theirs = MLPClassifier((8,), solver="lbfgs", random_state=0).fit(X, X[:, 0] > 0)
    >>> ours = mx.from_sklearn(theirs)
    >>> bool(abs(ours.predict_proba(X) - theirs.predict_proba(X)).max() < 1e-6)
    True
    """
    require("taking over an estimator of scikit-learn", "scikit-learn")
    from sklearn.neural_network import MLPClassifier as TheirClassifier
    from sklearn.neural_network import MLPRegressor as TheirRegressor
    from sklearn.pipeline import Pipeline

    from lamina.estimators import MLPClassifier, MLPRegressor

    steps, network = (None, model)
    if isinstance(model, Pipeline):
        steps, network = model[:-1] if len(model) > 1 else None, model[-1]
    if not isinstance(network, TheirClassifier | TheirRegressor):
        raise TypeError(
            f"from_sklearn takes scikit-learn's MLPClassifier or MLPRegressor, not a {type(network).__name__}"
        )
    _require_fitted(network)
    is_classifier = isinstance(network, TheirClassifier)
    kind = MLPClassifier if is_classifier else MLPRegressor
    ours: Any = kind(**_settings(network, kind))
    table: Any = next(step for step in _flat(model) if hasattr(step, "n_features_in_"))
    names = getattr(table, "feature_names_in_", None)
    names = None if names is None else [str(name) for name in names]
    _take_over(ours, network, _FirstLayer(steps, network, names, table.n_features_in_), is_classifier)
    if names is not None:
        ours.feature_names_in_ = np.array(names, object)
    ours.n_features_in_ = table.n_features_in_
    return ours


def _flat(step: Any) -> list[Any]:
    """The steps of a pipeline, including nested pipelines' steps; for another step, the step itself."""
    return [one for _, part in step.steps for one in _flat(part)] if hasattr(step, "steps") else [step]


def _require_fitted(network: Any) -> None:
    if not hasattr(network, "coefs_"):
        raise DataError(
            f"this {type(network).__name__} is not fitted yet, so it can't be converted; call fit first"
        )
    for name in ("coefs_", "intercepts_"):
        for i, array in enumerate(getattr(network, name)):
            if not np.isfinite(np.asarray(array, np.float32)).all():
                raise DataError(f"{name}[{i}] has values that are not finite in float32")


def _settings(network: Any, kind: Any) -> dict[str, Any]:
    from lamina.estimators.settings import Settings

    plain = {name: value for name, value in vars(Settings("sklearn")).items() if hasattr(kind, name)}
    settings = {name: getattr(network, name) for name in _SAME_SETTINGS}
    settings["solver"] = "sgd" if network.solver == "sgd" else "adam"
    if getattr(network, "loss", None) == "poisson":
        settings["loss"] = "poisson"
    return {**plain, "preset": "fast", "scoring": kind._plain_score, "learning_rate": "constant", **settings}


# --- the steps before the network -------------------------------------------------------------------------------------

_LIMITED, _SCALED = -1, -2  # outputs with few values, such as codes of categories; and scaled numbers


def _columns_behind(step: Any, columns: Sequence[int], known: dict[int, list[Any]]) -> list[int]:
    """The table column behind each output of a step, for the step's input `columns`.

    An entry is `_LIMITED` or `_SCALED` for outputs that are not plain columns. `known` receives the categories of
    encoders, by column, with missing values last.

    Raises:
        DataError: an output may depend on several columns, or nonlinearly on a number.
    """
    from sklearn import preprocessing
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_selection import SelectorMixin
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    own: Any = step  # Any, since scikit-learn's annotations lack some attributes
    columns = list(columns)
    match step:
        case Pipeline():
            for _, part in own.steps:
                columns = _columns_behind(part, columns, known)
            return columns
        case ColumnTransformer():
            taken = own._transformer_to_input_indices
            parts = [(part, [columns[i] for i in taken[name]]) for name, part, _ in own.transformers_]
            return [one for part, its in parts for one in _columns_behind(part, its, known)]
        case "drop":
            return []
        case None | "passthrough" | preprocessing.FunctionTransformer(func=None):
            return columns
        case SelectorMixin():
            return np.array(columns)[own.get_support()].tolist()
        case SimpleImputer():
            return _behind_imputer(own, columns)
        case (
            preprocessing.StandardScaler()
            | preprocessing.RobustScaler()
            | preprocessing.MaxAbsScaler()
            | preprocessing.MinMaxScaler()
        ) if not getattr(step, "clip", False):
            return [_SCALED if column >= 0 else column for column in columns]
        case (
            preprocessing.OneHotEncoder() | preprocessing.OrdinalEncoder() | preprocessing.TargetEncoder()
        ) if _SCALED not in columns:
            found = zip(columns, own.categories_, strict=True)
            of_table = ((column, values) for column, values in found if column >= 0)
            known |= {column: sorted(values.tolist(), key=is_missing) for column, values in of_table}
            return [_LIMITED] * len(own.get_feature_names_out())
        case _:
            raise DataError(
                f"the pipeline's step {type(step).__name__} is not supported: lamina supports scaling, imputing and "
                "encoding of single columns; apply the step first, and import the network alone"
            )


def _behind_imputer(imputer: Any, columns: Sequence[int]) -> list[int]:
    """The columns behind the outputs of an imputer, which leaves out columns without values, and adds flags."""
    if not is_missing(imputer.missing_values):
        raise DataError(
            f"the pipeline's step SimpleImputer(missing_values={imputer.missing_values!r}) counts other "
            "values as missing than lamina does: write NaN or None for them in the table, and fit the pipeline "
            "again"
        )
    values = zip(columns, imputer.statistics_, strict=True)
    kept = [column for column, value in values if not is_missing(value)]
    return kept + [_LIMITED] * (len(imputer.get_feature_names_out()) - len(kept))


class _Steps:
    """Evaluation of a pipeline's steps on rows that differ from a base row in one value.

    Attributes:
        base: the outputs for the base row, whose numbers are 0, and whose categories are the first of their columns.
    """

    def __init__(self, steps: Any, names: Sequence[str] | None, first: Sequence[Any]) -> None:
        self._steps, self._names, self._first = steps, names, first
        self.base = self.of([(0, first[0])])[0]

    def of(self, changes: Sequence[tuple[int, Any]]) -> np.ndarray:
        """Compute the outputs (changes, outputs), float64, for rows with one changed value each."""
        kinds = [np.float64 if isinstance(value, float) else object for value in self._first]
        columns = [np.full(len(changes), value, kind) for value, kind in zip(self._first, kinds, strict=True)]
        for row, (column, value) in enumerate(changes):
            columns[column][row] = value
        rows: Any = np.stack(columns, axis=1) if self._names is None else _frame(self._names, columns)
        with warnings.catch_warnings(action="ignore"):  # about unknown categories
            found = rows if self._steps is None else self._steps.transform(rows)
        return np.asarray(found.toarray() if hasattr(found, "toarray") else found, np.float64)

    def of_first_taken(self, column: int, values: Sequence[Any]) -> np.ndarray:
        """Compute the outputs (outputs,) for the first value that the steps accept; NaN if they accept none."""
        for value in values:
            try:
                found = self.of([(column, value)])[0]
            except (TypeError, ValueError):  # the steps reject the value
                continue
            if not np.isnan(found).any():
                return found
        return np.full_like(self.base, np.nan)

    def of_missing(self, columns: Sequence[int]) -> np.ndarray:
        """Compute the outputs (columns, outputs) for a missing number; NaN if the steps reject missing numbers."""
        try:
            return self.of([(column, np.nan) for column in columns])
        except ValueError:  # the steps reject a missing number in one of the columns
            return np.stack([self.of_first_taken(column, [np.nan]) for column in columns])

    def lines(self, columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fit the linear functions from numeric columns to outputs; return centers, values at the centers, and slopes.

        A column's center (columns,) is the zero of the first output that depends on the column; values and slopes have
        the shape (columns, outputs).
        """
        count = len(columns)
        center, width, slopes = np.zeros(count), np.ones(count), np.zeros((count, len(self.base)))
        for _ in range(3):  # repeated, since rows near a center far from 0 determine it more exactly
            ends = zip(columns, center, center + width, strict=True)
            found = self.of([(column, value) for column, *values in ends for value in values])
            here, there = found[::2], found[1::2]
            slopes = (there - here) / width[:, None]
            first = np.arange(count), (slopes != 0).argmax(axis=1)
            slope = np.where(slopes[first] == 0, np.inf, slopes[first])  # inf: no output depends on it
            center = center - here[first] / slope
            width = np.where(np.isinf(slope), 1.0, 1 / np.abs(slope))
        return center, self.of([*zip(columns, center, strict=True)]), slopes


def _frame(names: Sequence[str], columns: Sequence[np.ndarray]) -> Any:
    """Create a data frame, by pandas or else polars, for steps that select columns by name."""
    try:
        import pandas

        series = (pandas.Series(x, dtype=x.dtype) for x in columns)
        return pandas.DataFrame(dict(zip(names, series, strict=True)))
    except ImportError:
        import polars

        return polars.DataFrame({name: x.tolist() for name, x in zip(names, columns, strict=True)})


class _FirstLayer:
    """The columns and the first layer of a network, with the preprocessing steps merged into both.

    Attributes:
        schema: the table's schema.
    """

    def __init__(self, steps: Any, network: Any, names: Sequence[str] | None, columns: int) -> None:
        known: dict[int, list[Any]] = {}
        _columns_behind(steps, range(columns), known)
        self._made = _Steps(steps, names, [known[j][0] if j in known else 0.0 for j in range(columns)])
        self._weight = np.asarray(network.coefs_[0], np.float64)
        self._bias = np.asarray(network.intercepts_[0], np.float64)
        self._constant = self._made.base.copy()  # the outputs' part that no column changes
        self._numbers: list[tuple[float, float, float, np.ndarray]] = []
        self._flags: list[np.ndarray] = []
        self._tables: list[tuple[np.ndarray, np.ndarray]] = []
        # Columns in which the steps distinguish unknown values from missing values.
        self._unlike: list[str] = []
        schema = infer(np.zeros((2, columns)))
        if names is not None:
            described = tuple(ColumnSchema(name, Number()) for name in names)
            schema = replace(schema, columns=described, named=True)
        found = list(schema.columns)
        for j, values in sorted(known.items()):  # in the encoder's order
            found[j] = self._category(j, found[j], values)
        if self._unlike:
            messages.warn(
                f"values that training did not have count as missing; in columns "
                f"{', '.join(map(repr, self._unlike))} the pipeline distinguishes them from missing values, so its "
                "predictions differ"
            )
        numbers = [j for j in range(columns) if j not in known]
        for start in range(0, len(numbers), _AT_ONCE):
            part = numbers[start : start + _AT_ONCE]
            for j, *line in zip(part, *self._made.lines(part), self._made.of_missing(part), strict=True):
                found[j] = self._number(found[j], *line)
        self.schema = replace(schema, columns=tuple(found), rows=0)

    def _category(self, j: int, column: ColumnSchema, known: list[Any]) -> ColumnSchema:
        """Create the schema of a categorical column, and add the steps' outputs for its categories as an embedding."""
        present = [value for value in known if not is_missing(value)]
        unknown = self._made.of_first_taken(j, _UNKNOWN)
        if present and not isinstance(present[0], str):
            other = self._made.of_first_taken(j, _UNKNOWN[2:])
            if not np.array_equal(unknown, other, equal_nan=True):
                raise DataError(
                    f"column {column.name!r} is encoded as a category and used as a number, too: give the "
                    "pipeline a copy of the column, and fit the pipeline again"
                )
        missing = self._made.of_first_taken(j, [*known[len(present) :], np.nan, None])
        if np.isnan(missing).any():
            missing = unknown
        elif not np.isnan(unknown).any() and np.abs(missing - unknown).max() > _ROUNDING:
            self._unlike.append(column.name)
        is_taken = not np.isnan(missing).any()
        described = Category().learn(as_column(np.fromiter(present, object), column.name), named=False)
        codes = {value_name(value): i for i, value in enumerate(present)}
        values = self._made.of([(j, present[codes[name]]) for name in described.categories])
        base = self._made.base
        own = np.flatnonzero((np.vstack([values, missing if is_taken else base]) != base).any(axis=0))
        self._constant[own] = 0.0
        outputs = np.vstack([missing if is_taken else np.zeros_like(base), values])
        self._tables.append((outputs[:, own], self._weight[own]))
        return described

    def _number(
        self, column: ColumnSchema, center: float, there: np.ndarray, slopes: np.ndarray, missing: np.ndarray
    ) -> ColumnSchema:
        """Create the schema of a numeric column, and add its scaling.

        The schema has a missing flag if the steps do more than fill in missing values.
        """
        missing = there if np.isnan(missing).any() else missing
        own = np.flatnonzero(slopes)
        if not len(own) and np.array_equal(missing, there):
            return replace(column, type=Dropped())
        factor = float(slopes[own[0]]) if len(own) else 1.0
        fill = center + float((missing - there)[own[0]]) / factor if len(own) else center
        self._constant[own] = there[own]
        self._numbers.append((center, factor, fill, slopes / factor @ self._weight))
        flag = missing - there - slopes * (fill - center)
        if np.abs(flag).max() <= _ROUNDING:
            return column
        self._flags.append(flag @ self._weight)
        return replace(column, missing=1)

    def encoder(self) -> TableEncoder:
        """Create the encoder of the network's inputs: numbers, flags and category codes."""
        settings = {
            "version": 1, "schema": self.schema.to_dict(), "max_one_hot": 0, "missing_indicator": True,
            "robust_scale": True, "smooth_clip": False,
        }  # fmt: skip
        center, factor, fill = np.array([one[:3] for one in self._numbers], np.float64).reshape(-1, 3).T
        more = np.zeros(len(self._flags))
        scales = {"center": np.append(center, more), "factor": np.append(factor, more + 1), "fill": fill}
        return TableEncoder.from_state(settings, scales)

    def parameters(self) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """The embeddings, (categories + 1, width) each, and the first layer's weight and bias."""
        units = self._weight.shape[1]
        width = min(max([outputs.shape[1] for outputs, _ in self._tables], default=1), units)
        tables = [_of_width(*table, width) for table in self._tables]
        rows = [one[3] for one in self._numbers] + self._flags
        weight = np.vstack([np.zeros((0, units)), *rows, *(part for _, part in tables)])
        return [outputs for outputs, _ in tables], weight, self._bias + self._constant @ self._weight


def _of_width(outputs: np.ndarray, weight: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pad an embedding's columns and the next layer's rows with zeros to `width`.

    If the embedding is wider, the result is the product of both and an identity matrix. The shapes are (categories + 1,
    width) and (width, units).
    """
    missing = width - outputs.shape[1]
    if missing < 0:  # more than the layer has units
        return outputs @ weight, np.eye(width)
    return np.pad(outputs, [(0, 0), (0, missing)]), np.pad(weight, [(0, missing), (0, 0)])


# --- the fitted model -------------------------------------------------------------------------------------------------


def _take_over(ours: Any, network: Any, first: _FirstLayer, is_classifier: bool) -> None:
    """Copy a scikit-learn estimator's learned state to the lamina estimator `ours`."""
    from lamina.estimators.architecture import Architecture
    from lamina.estimators.fitted import FittedModel
    from lamina.estimators.network import Ensemble

    target = _classes(network) if is_classifier else _numbers(network)
    encoder, (embeddings, *layer) = first.encoder(), first.parameters()
    architecture = Architecture(
        numbers=encoder.n_numbers, inputs=len(encoder.numeric_names), cardinalities=encoder.cardinalities,
        outputs=target.outputs, hidden=tuple(int(weight.shape[1]) for weight in network.coefs_[:-1]),
        activation=network.activation, dropout=0.0, number_embedding=False, input_scale=False,
        learned_activation=False, ntk=False, embedding_width=embeddings[0].shape[1] if embeddings else 1,
    )  # fmt: skip
    layers = [layer, *zip(network.coefs_[1:], network.intercepts_[1:], strict=True)]
    if is_classifier and target.outputs == network.n_outputs_ + 1:
        # One output z becomes -z/2 and z/2, whose softmax is the logistic function.
        layers[-1] = [np.concatenate([values / -2, values / 2], axis=-1) for values in layers[-1]]
    arrays = {f"0.embedding{j}": values for j, values in enumerate(embeddings)}
    for i, (weight, bias) in enumerate(layers):
        arrays |= {f"0.weight{i}": weight, f"0.bias{i}": bias}
    arrays = {name: np.ascontiguousarray(values, np.float32) for name, values in arrays.items()}
    ours.fitted_ = FittedModel(encoder, Ensemble.from_state([architecture], arrays), target)
    ours.validation_scores_ = ours.best_validation_score_ = ours.best_loss_ = None
    ours.loss_curve_ = []
    for name in _LEARNED:
        if getattr(network, name, None) is not None:
            setattr(ours, name, getattr(network, name))


def _classes(network: Any) -> Any:
    from lamina.estimators.targets import Classes

    several = network._label_binarizer.y_type_ == "multilabel-indicator"
    return Classes(np.arange(network.n_outputs_) if several else np.asarray(network.classes_), several)


def _numbers(network: Any) -> Any:
    """The target for a regressor whose network predicts in the target's units, without practical bounds."""
    from lamina.estimators.targets import Numbers

    count = network.n_outputs_
    low, high = np.full(count, -_LARGEST), np.full(count, _LARGEST)
    logarithmic = network.out_activation_ == "exp"
    low = np.zeros(count) if logarithmic else low
    return Numbers(low, high, np.zeros(count), np.ones(count), count == 1, logarithmic)
