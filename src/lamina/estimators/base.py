"""What the classifier and the regressor share: settings, encoding of tables, training, prediction."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.errors import DataError, MissingPackageError

try:
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import ConvergenceWarning, NotFittedError
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise MissingPackageError(
        "lamina's estimators need scikit-learn: pip install 'lamina[sklearn]'"
    ) from error

from lamina.estimators.engine import Data, Optimization, Trainer, outputs_of
from lamina.estimators.initialize import build_network
from lamina.estimators.network import Architecture, Ensemble, Network
from lamina.estimators.presets import (
    check_settings,
    embeds_numbers,
    enough_epochs,
    enough_members,
    resolve,
)
from lamina.estimators.scoring import check_scoring
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer

__all__ = ["BaseMLP", "targets_of"]

_SETTINGS = (
    "members", "hidden_layer_sizes", "activation", "solver", "alpha", "batch_size", "learning_rate",
    "learning_rate_init", "max_iter", "tol", "early_stopping", "validation_fraction", "beta_1", "beta_2", "epsilon",
    "n_iter_no_change", "calibrate", "dropout", "normalization", "weight_decay", "regularization_schedule",
    "label_smoothing", "number_embedding", "number_pieces", "embedding_width", "input_scale", "learned_activation",
    "ntk", "preprocess", "drop_last",
)  # fmt: skip


class BaseMLP(BaseEstimator):
    """The common part of `MLPClassifier` and `MLPRegressor`, which document the parameters."""

    _task: str
    _own_scores: tuple[str, ...]
    _plain_score: str

    # The constructor's parameters. The subclasses' signatures say their defaults, as scikit-learn asks.
    hidden_layer_sizes: Any
    activation: Any
    preset: str
    loss: Any
    random_state: Any
    verbose: Any
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    column_kinds: Mapping[Any, Any] | None
    scoring: Any
    callbacks: Any

    # What fit learns.
    loss_: float
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    best_loss_: float | None
    best_epoch_: int
    n_iter_: int
    t_: int

    def _keep(self, parameters: dict[str, Any]) -> None:
        """Set the constructor's parameters as attributes, unchanged."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    # --- settings ------------------------------------------------------------------------------------------------

    def _resolved(self) -> dict[str, Any]:
        """All settings, the preset's where the user gave none; checked."""
        given = {name: getattr(self, name, None) for name in _SETTINGS}
        if given["batch_size"] == "auto":
            given["batch_size"] = None
        settings = resolve(self.preset, self._task, given)
        hidden = settings["hidden_layer_sizes"]
        settings["hidden_layer_sizes"] = (hidden,) if isinstance(hidden, int | np.integer) else tuple(hidden)
        check_settings(settings)
        check_scoring(self.scoring, self._own_scores)
        return settings

    def _optimization(self, settings: Mapping[str, Any]) -> Optimization:
        rate = settings["learning_rate"]
        return Optimization(
            epochs=settings["max_iter"],
            batch_size=settings["batch_size"],
            rate=settings["learning_rate_init"],
            schedule=rate,
            betas=(settings["beta_1"], settings["beta_2"]),
            epsilon=settings["epsilon"],
            decay=settings["weight_decay"],
            l2=settings["alpha"],
            regularization_schedule=settings["regularization_schedule"],
            drop_last=settings["drop_last"],
            patience=settings["n_iter_no_change"],
            tolerance=settings["tol"],
            solver=settings["solver"],
            momentum=self.momentum,
            nesterov=self.nesterovs_momentum,
        )

    # --- what the subclasses say ---------------------------------------------------------------------------------

    def _encode_target(self, y: Any, *, first: bool) -> np.ndarray:
        """`y` as the loss takes it; `first`: learn classes or scale from it."""
        raise TypeError(f"{type(self).__name__} must say how its target is encoded")

    def _loss_function(self, settings: Mapping[str, Any]) -> Any:
        raise TypeError(f"{type(self).__name__} must say which loss it has")

    def _outputs(self) -> int:
        raise TypeError(f"{type(self).__name__} must say how many outputs it has")

    def _score_outputs(self, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None) -> float:
        raise TypeError(f"{type(self).__name__} must say how outputs are judged")

    def _stratification(self, target: np.ndarray) -> Any:
        return None

    # --- fitting -------------------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, eval_set: Any) -> Any:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        settings = self._resolved()
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        X, y = self._checked(X, y, reset=True)  # pyright: ignore[reportConstantRedefinition] - scikit-learn's name
        continuing = self.warm_start and hasattr(self, "_network")
        target = self._encode_target(y, first=not (continuing and hasattr(self, "classes_")))
        weights = self._weights(sample_weight, y, X)
        rows = _counted_rows(X, weights)
        members = settings["members"] or enough_members(self.preset, len(rows), X.shape[1])
        members = len(self._network.members) if continuing else members
        splits = self._splits(rows, target, eval_set is not None, members, settings, rng)
        if not continuing:
            self._fit_encoder(X, _union([rows for rows, _ in splits]), settings)
        encoded = self._encoder.transform(X)
        whole = Data(encoded.numeric, encoded.codes, target, weights)
        train = [dataclasses.replace(whole, rows=_part_of(target, rows)) for rows, _ in splits]
        held_out = [dataclasses.replace(whole, rows=rows) for _, rows in splits if rows is not None]
        if eval_set is not None:
            held_out = [self._evaluation_data(eval_set)]
        if settings["max_iter"] is None:
            settings["max_iter"] = enough_epochs(self.preset, len(train[0]), settings["batch_size"])
        if settings["n_iter_no_change"] == "auto":
            settings["n_iter_no_change"] = max(_LEAST_PATIENCE, settings["max_iter"] // 4)
        if not continuing:
            self._build(train, settings, rng)
        self._train(train, held_out, settings, rng)
        return self

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
        """Input validated: arrays by scikit-learn, data frames as they are."""
        from lamina.estimators.inputs import check_inputs

        return check_inputs(self, X, y, reset=reset, validate=validate_data)

    def _weights(self, sample_weight: Any, y: Any, X: Any) -> np.ndarray | None:
        """Weights of the rows with mean 1, or None."""
        if sample_weight is None:
            return None
        rows = np.empty((_length(X), 0))
        weights = _check_sample_weight(sample_weight, rows, dtype=np.float32, ensure_non_negative=True)
        total = float(weights.sum())
        if not total > 0:
            raise ValueError("sample_weight: all weights are zero, so there is nothing to learn from")
        return np.ascontiguousarray(weights * (len(weights) / total), dtype=np.float32)

    def _splits(
        self,
        rows: np.ndarray,
        target: np.ndarray,
        is_evaluated: bool,
        members: int,
        settings: Mapping[str, Any],
        rng: Any,
    ) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """Each member's training rows and validation rows (None without)."""
        if is_evaluated or not settings["early_stopping"] or len(rows) < _FEWEST_FOR_VALIDATION:
            return [(rows, None)] * members
        from lamina.estimators.inputs import folds, hold_out

        share, classes = settings["validation_fraction"], self._stratification(target)
        several = members > 1
        splits = (
            folds(rows, share, classes, rng, members) if several else [hold_out(rows, share, classes, rng)]
        )
        # None, where every class has too few rows.
        can_validate = all(len(validation) for _, validation in splits)
        return list(splits) if can_validate else [(rows, None)] * members

    def _fit_encoder(self, X: Any, train_rows: np.ndarray, settings: Mapping[str, Any]) -> None:
        schema = infer(X, kinds=self.column_kinds)
        preprocess = settings["preprocess"]
        encoder = TableEncoder(schema, robust_scale=preprocess, smooth_clip=preprocess)
        self._encoder = encoder.fit(X, _part_of(X, train_rows))

    def _evaluation_data(self, eval_set: Any) -> Data:
        pair = eval_set[0] if isinstance(eval_set, list) and len(eval_set) == 1 else eval_set
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"eval_set is a pair (X, y) to validate on, not {type(eval_set).__name__}")
        X, y = self._checked(*pair, reset=False)
        encoded = self._encoder.transform(X)
        return Data(encoded.numeric, encoded.codes, self._encode_target(y, first=False))

    def _build(self, train: Sequence[Data], settings: Mapping[str, Any], rng: np.random.Generator) -> None:
        """Networks that have learned nothing, one for each of the members' training rows."""
        architecture = Architecture(
            numbers=self._encoder.n_numbers,
            inputs=train[0].numeric.shape[1],
            cardinalities=self._encoder.cardinalities,
            outputs=self._outputs(),
            hidden=settings["hidden_layer_sizes"],
            activation=_hashable(settings["activation"]),
            dropout=_hashable(settings["dropout"]),
            number_embedding=embeds_numbers(settings["number_embedding"], self._encoder.n_numbers),
            embedding_width=settings["embedding_width"],
            input_scale=settings["input_scale"],
            learned_activation=settings["learned_activation"],
            normalization=settings["normalization"],
            ntk=settings["ntk"],
            pieces=_pieces(settings["number_pieces"], len(train[0]), self._encoder.n_numbers),
        )
        self._network = Ensemble([build_network(architecture, part, rng) for part in train])
        self.loss_curve_ = []
        self.validation_scores_ = None
        self.n_iter_ = self.t_ = 0
        self.best_loss_ = np.inf
        self.best_validation_score_ = None

    def _train(
        self, train: Sequence[Data], held_out: Sequence[Data], settings: Mapping[str, Any], rng: Any
    ) -> None:
        from lamina.nd import random

        random.seed(int(rng.integers(2**31)))
        plan = self._optimization(settings)
        reporter = self._reporter(plan)
        trainer = Trainer(self._network, self._loss_function(settings), plan, rng, reporter.on_step)
        judge = self._judge(held_out) if held_out else None
        parts = [*train, *held_out]
        checkpoints: Any = vars(self).get("_checkpoints")  # of the command line
        if checkpoints is not None:
            checkpoints.begin(trainer, parts)
        stopped = False
        try:
            with reporter:
                for epoch in itertools.chain(tuple(trainer.past), trainer.run(train, held_out, judge)):
                    self._note(epoch, len(train[0]))
                    reporter.on_epoch(epoch)
                    if checkpoints is not None:
                        checkpoints.after_epoch(trainer, parts)
                    if any(callback(self, epoch) for callback in _as_list(self.callbacks)):
                        stopped = True
                        break
        finally:  # Ctrl-C too leaves the best epoch behind
            if trainer.best_state is not None:
                trainer.restore_best()
                self.best_validation_score_, self.best_epoch_ = float(trainer.best_score), trainer.best_epoch
                self.best_loss_ = None
                self._calibrate(held_out)
        ended_early = stopped or self.n_iter_ < plan.epochs
        if not held_out and plan.patience is not None and not ended_early and self.preset == "sklearn":
            warnings.warn(
                f"the optimizer reached max_iter={plan.epochs} and has not converged yet",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _chosen_scoring(self) -> Any:
        """The validation score: the one given, else scikit-learn's with its preset, else None for the loss."""
        return self._plain_score if self.scoring is None and self.preset == "sklearn" else self.scoring

    def _judge(self, held_out: Sequence[Data]) -> Callable[[np.ndarray], float]:
        target, weights = targets_of(held_out)
        return lambda outputs: self._score_outputs(outputs, target, weights)

    def _calibrate(self, held_out: Sequence[Data]) -> None:
        """Correct what the network says by what is so on the validation rows; nothing unless a subclass has a way."""

    def _note(self, epoch: Any, rows: int) -> None:
        self.loss_ = epoch.loss
        self.loss_curve_.append(epoch.loss)
        self.n_iter_ += 1
        self.t_ += rows
        if self.best_loss_ is not None:
            self.best_loss_ = min(self.best_loss_, epoch.loss)
        if epoch.score is not None:
            self.validation_scores_ = [*(self.validation_scores_ or []), float(epoch.score)]

    def _reporter(self, plan: Optimization) -> Any:
        from lamina.estimators.report import reporter

        scoring = self._chosen_scoring()
        own = scoring in (None, "loss", "log_loss", "neg_log_loss")
        name = scoring if isinstance(scoring, str) else "score"
        return reporter(self.verbose, plan.epochs, "loss" if own else name, -1 if own else 1)

    # --- prediction ----------------------------------------------------------------------------------------------

    def _raw(self, X: Any) -> np.ndarray:
        """The network's outputs, (rows, outputs)."""
        check_is_fitted(self, "_network")
        checked, _ = self._checked(X, None, reset=False)
        encoded = self._encoder.transform(checked)
        outputs = outputs_of(self._network, Data(encoded.numeric, encoded.codes, np.empty(0, np.float32)))
        if not np.isfinite(outputs).all():
            row = int(np.argwhere(~np.isfinite(outputs))[0][0])
            raise DataError(
                f"row {row}: X is so large that the network's output is beyond float32; scale the columns"
            )
        return outputs

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weight matrices, (in, out) each, as they multiply a layer's input; those of the first member."""
        network = self._fitted_network().members[0]
        scales = [1 / np.sqrt(n) if network.architecture.ntk else 1.0 for n in self._layer_widths()]
        return [network[f"weight{i}"].asnumpy() * np.float32(s) for i, s in enumerate(scales)]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The bias vectors; those of the first member."""
        network = self._fitted_network().members[0]
        return [network[f"bias{i}"].asnumpy() for i in range(self.n_layers_ - 1)]

    @property
    def n_layers_(self) -> int:
        """The number of layers, input and output included."""
        return len(self._fitted_network().architecture.hidden) + 2

    @property
    def n_outputs_(self) -> int:
        """The number of outputs."""
        return self._fitted_network().architecture.outputs

    def _layer_widths(self) -> list[int]:
        parts = self._fitted_network().architecture
        return [parts.width, *parts.hidden]

    def _fitted_network(self) -> Ensemble:
        network = self.__dict__.get("_network")
        if network is None:
            # An AttributeError too, so that hasattr says no before fit.
            raise NotFittedAttributeError(f"this {type(self).__name__} is not fitted yet; call fit first")
        return network

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and joblib: the network as plain arrays."""
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[arg-type] - typed as of object
        state.pop("_trainer", None)  # compiled code; another is made at the next partial_fit
        network = state.pop("_network", None)
        if network is not None:
            state["_network_state"] = (network.architecture, [_plain(member) for member in network.members])
        encoder = state.pop("_encoder", None)
        if encoder is not None:
            state["_encoder_state"] = encoder.state()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        network, encoder = state.pop("_network_state", None), state.pop("_encoder_state", None)
        super().__setstate__(state)
        if network is not None:
            architecture, members = network
            self._network = Ensemble([_rebuilt(architecture, member) for member in members])
        if encoder is not None:
            self._encoder = TableEncoder.from_state(*encoder)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.non_deterministic = False
        return tags


class NotFittedAttributeError(NotFittedError, AttributeError):
    """Asked for an attribute that only a fitted estimator has."""


_FEWEST_FOR_VALIDATION = 10
_LEAST_PATIENCE = 6
_ROWS_A_PIECE = 100
_PIECES_OF_ALL = 4096


def _counted_rows(X: Any, weights: np.ndarray | None) -> np.ndarray:
    """The rows whose weight is not 0, int32."""
    everything = np.arange(_length(X), dtype=np.int32)
    return everything if weights is None else everything[weights > 0]


def _union(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The rows that are in any part, ascending."""
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))


def targets_of(parts: Sequence[Data]) -> tuple[np.ndarray, np.ndarray | None]:
    """The targets and weights of all parts' rows, one after the other."""
    target = np.concatenate([part.target[part.chosen()] for part in parts])
    if parts[0].weights is None:
        return target, None
    return target, np.concatenate([part.weights[part.chosen()] for part in parts if part.weights is not None])


def _part_of(table: Any, rows: np.ndarray) -> np.ndarray | None:
    """`rows`, or None if they are all the rows of the table."""
    return None if len(rows) == _length(table) else rows


def _pieces(most: int, rows: int, numbers: int) -> int:
    """How many pieces the functions of numbers have: few where rows are few or numbers many."""
    return min(most, rows // _ROWS_A_PIECE, _PIECES_OF_ALL // max(numbers, 1))


def _length(X: Any) -> int:
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | np.ndarray) else value


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _plain(network: Network) -> dict[str, Any]:
    weights = {name: (w.array.asnumpy(), w.rate, w.decay) for name, w in network.weights.items()}
    return {"weights": weights, "running": {name: x.asnumpy() for name, x in network.running.items()}}


def _rebuilt(architecture: Architecture, state: dict[str, Any]) -> Network:
    from lamina import nd

    network = Network(architecture)
    for name, (values, rate, decay) in state["weights"].items():
        network.add(name, values, rate=rate, decay=decay)
    network.running.update({name: nd.array(x) for name, x in state["running"].items()})
    return network
