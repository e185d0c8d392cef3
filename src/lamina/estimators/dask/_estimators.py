"""`MLPClassifier` and `MLPRegressor` for Dask collections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state

import lamina.estimators as plain
from lamina.estimators.base import BaseMLP
from lamina.estimators.dask._partitions import Partitions, is_array, is_frame
from lamina.estimators.dask._table import KeyedPartitions, PartitionedTable
from lamina.estimators.streamed import fit_streamed, kinds_beside, mark_keys
from lamina.table.stream.survey import Survey


class _OnWorkers(BaseMLP):
    """The common part of both estimators: `fit` and `predict` on collections, `client_`, `to_local`."""

    client: Any
    _local: ClassVar[type[BaseMLP]]

    @property
    def client_(self) -> Any:
        """The client in use: the given one, or Dask's current one.

        Raises:
            ValueError: there is none.
        """
        from distributed import default_client

        return default_client() if self.client is None else self.client

    def to_local(self) -> Any:
        """The estimator for in-memory tables with the same settings and learned state."""
        local = self._local(
            **{name: x for name, x in self.get_params(deep=False).items() if name != "client"}
        )
        learned = {name: x for name, x in vars(self).items() if name != "client"}
        vars(local).update(learned)
        return local

    def __getstate__(self) -> dict[str, Any]:
        """The state without the client, which is bound to its process."""
        return {**super().__getstate__(), "client": None}

    def _computed(self, X: Any, function: Any) -> np.ndarray:
        """A function of the network for an in-memory table; Dask collections raise an error."""
        if hasattr(X, "__dask_graph__"):
            raise TypeError(
                f"only predictions, probabilities and scores are computed where a {type(X).__name__} of Dask is; "
                "for others give a part of it that is in memory: X.compute()"
            )
        return super()._computed(X, function)

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        eval_set: Any = None,
        *,
        groups: str | None = None,
        time: str | None = None,
    ) -> Self:
        """Train on a Dask collection.

        Args:
            X: a Dask frame, or a Dask array (rows, columns) in chunks of rows.
            y: a Dask series or array in the same partitions; or the name of a column of `X`.
            sample_weight: must be None.
            eval_set: a pair (X, y) to validate on, of Dask or in memory, instead of a part of the rows.
            groups, time: the name of a column of `X`, or None. With `groups`, no group is in both training and
                validation; the group column is a predictor only if `column_kinds` names it. With `time`, the rows with
                the last times are used for validation.

        Raises:
            TypeError: X or y is not a Dask collection.
            ValueError: `X` has no such column, or both `groups` and `time` are given.
            DataError: the partitions of `X` and `y` don't match, or as for `lamina.MLPClassifier.fit`.
        """
        if sample_weight is not None:
            raise ValueError("sample_weight is for tables in memory, not for Dask collections")
        settings, client = self._resolved(), self.client_
        partitions = Partitions(client, X, y)
        marks: dict[Any, str | None] = {"groups": groups, "time": time}
        kinds = kinds_beside(marks, self.column_kinds, [*partitions.types], "a collection of Dask")
        seed = int(check_random_state(self.random_state).randint(2**31))
        statistics = partitions.statistics(self._task, kinds, self.date_format, seed)
        survey = Survey(statistics, statistics.schema(), seed)
        share = settings.validation_fraction if settings.early_stopping and eval_set is None else 0.0
        keys = mark_keys(survey, marks)
        keyed = None if keys is None else KeyedPartitions(keys, partitions)
        division = (
            survey.divided(share) if keyed is None else survey.divided_by(keyed, share, gap=self.time_gap)
        )
        return fit_streamed(self, PartitionedTable(partitions, survey, division), _computed(client, eval_set))

    def _mapped(self, method: str, X: Any, columns: int | None) -> Any:
        """A method's results for a collection, as a Dask array with one chunk per partition."""
        import dask.array as da
        from dask.delayed import delayed

        local = self.to_local()
        dtype = (
            local.classes_.dtype
            if method == "predict" and hasattr(local, "classes_")
            else np.dtype(np.float64)
        )
        model = delayed(local, pure=False)
        outer = (np.nan,) if columns is None else (np.nan, columns)
        if is_array(X):
            if X.ndim != 2 or len(X.chunks[1]) > 1:
                raise ValueError(f"X has the chunks {X.chunks}; give it chunks of rows: X.rechunk({{1: -1}})")
            parts, lengths = X.to_delayed().ravel().tolist(), list(X.chunks[0])
        elif is_frame(X):
            target = local._fitted().encoder.schema.target
            if (
                target is not None and target.name in X.columns
            ):  # the target was a named column of the training table
                parts = list(X.drop(columns=target.name).to_delayed())
            else:
                parts = list(X.to_delayed())
            lengths = [np.nan] * len(parts)
        else:
            return getattr(local, method)(X)
        of_part = delayed(_of_part, pure=False)
        chunks = [
            da.from_delayed(of_part(model, method, part, columns), (length, *outer[1:]), dtype)
            for part, length in zip(parts, lengths, strict=True)
        ]
        return da.concatenate(chunks, axis=0, allow_unknown_chunksizes=True)


def _of_part(model: Any, method: str, part: Any, columns: int | None) -> np.ndarray:
    if not len(part):
        return np.empty(0 if columns is None else (0, columns))
    return getattr(model, method)(part)


def _computed(client: Any, collections: Any) -> Any:
    """Dask collections computed to arrays; other values unchanged."""
    if isinstance(collections, (list, tuple)):
        return type(collections)(_computed(client, one) for one in collections)
    if hasattr(collections, "__dask_graph__"):
        return client.compute(collections).result()
    return collections


@dataclass(eq=False, repr=False, kw_only=True)
class MLPClassifier(_OnWorkers, plain.MLPClassifier):
    """`lamina.MLPClassifier` for Dask arrays and frames of numbers, texts and categories.

    Args:
        client: the cluster's client; None: Dask's current one. It is not pickled.

    All other parameters and learned attributes are those of `lamina.MLPClassifier`. `fit` keeps the partitions in the
    workers' memory while it trains in the client's process. The result depends on the table, its
    partitions and `random_state`, but not on the workers or their number.

    >>> from lamina.estimators.dask import MLPClassifier
    >>> MLPClassifier(preset="fast", members=2).get_params()["members"]
    2
    """

    client: Any = None
    _local: ClassVar[type[BaseMLP]] = plain.MLPClassifier

    def predict(self, X: Any) -> Any:
        """The most likely class of each row: a Dask array (rows,), computed where the partitions are."""
        return self._mapped("predict", X, None)

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:
        """The probability of each class: a Dask array (rows, classes); `return_std` is for tables in memory."""
        if return_std:
            return super().predict_proba(X, return_std=True)
        return self._mapped("predict_proba", X, len(self.classes_))

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithm of `predict_proba`."""
        return self._mapped("predict_log_proba", X, len(self.classes_))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy."""
        truth, found, weights = _computed(self.client_, (y, self.predict(X), sample_weight))
        return float(accuracy_score(truth, found, sample_weight=weights))


@dataclass(eq=False, repr=False, kw_only=True)
class MLPRegressor(_OnWorkers, plain.MLPRegressor):
    """`lamina.MLPRegressor` for Dask arrays and frames; see `lamina.dask.MLPClassifier`.

    >>> from lamina.estimators.dask import MLPRegressor
    >>> MLPRegressor(preset="fast").client is None
    True
    """

    client: Any = None
    _local: ClassVar[type[BaseMLP]] = plain.MLPRegressor

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The predicted target: a Dask array (rows,), or for several quantiles (rows, quantiles).

        It is computed where the partitions are. `return_std` is for tables in memory: `to_local` gives an estimator.
        """
        if return_std:
            return super().predict(X, return_std=True)
        return self._mapped("predict", X, len(getattr(self._fitted().target, "levels", ())) or None)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The R² of the predictions; see `lamina.MLPRegressor.score`."""
        truth, found, weights = _computed(self.client_, (y, self.predict(X), sample_weight))
        return self._agreement(truth, found, weights)
