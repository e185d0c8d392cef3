"""The learned part of an estimator: its attributes, its outputs for tables, and its pickled state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError

from lamina.errors import DataError, LaminaError
from lamina.estimators._engine import without_network
from lamina.estimators._outputs import hidden_of, outputs_of
from lamina.estimators.data import Data
from lamina.estimators.fitted import FittedModel
from lamina.estimators.inputs import check_inputs
from lamina.estimators.network import Ensemble
from lamina.estimators.targets import AnyTarget, Classes, Numbers
from lamina.table.encode import TableEncoder
from lamina.table.stream.sources import is_source


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
