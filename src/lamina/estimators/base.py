"""The common base class of classifier and regressor: settings, and training on in-memory tables."""

from __future__ import annotations

import dataclasses
import gc
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from lamina.compiler.deferral import eager
from lamina.device.context import cpu
from lamina.distributed.communicator import world
from lamina.estimators import inputs, presets
from lamina.estimators._initialize import architecture_for, build_network
from lamina.estimators._learned import Embedding, Views
from lamina.estimators._sharded import training_of
from lamina.estimators._solvers import SOLVERS
from lamina.estimators.conformal import held_out_by
from lamina.estimators.data import Batches, Data, Parts, targets_of
from lamina.estimators.declaring import declared
from lamina.estimators.fitted import FittedModel, own_outputs, require_same_network
from lamina.estimators.linear_path import MOST_ROWS, losses_of_parts, optimism, with_linear_path
from lamina.estimators.monotone_columns import constrained_columns, constrained_settings
from lamina.estimators.network import Ensemble
from lamina.estimators.scoring import shown_score
from lamina.estimators.settings import EstimatorSettings, Settings, StepSettings, as_list
from lamina.estimators.targets import with_target
from lamina.estimators.text_targets import regression_targets, with_text_targets
from lamina.estimators.training import EnsembleTraining, Learner, progress
from lamina.support import messages
from lamina.support.schedules import CYCLES_END
from lamina.table.encode import TableEncoder
from lamina.table.kinds import infer
from lamina.table.marks import folds_of
from lamina.table.messages import said_once
from lamina.table.schema import Schema, Task
from lamina.table.split import splitter_for
from lamina.table.stream.sources import is_source
from lamina.table.tables import as_table
from lamina.training.device import chosen_device, training_flops, warn_if_not_rounded
from lamina.training.display import Waiting
from lamina.training.loop import CycleStopping, Epoch, Observer

if TYPE_CHECKING:
    from lamina.estimators.streamed import LookedOver


@dataclass(eq=False, repr=False)
class BaseMLP(EstimatorSettings, StepSettings, Views, Embedding, BaseEstimator):
    """The common base class of `MLPClassifier` and `MLPRegressor`."""

    _task: ClassVar[Task]
    _own_scores: ClassVar[tuple[str, ...]]
    _plain_score: ClassVar[str]

    # --- settings ------------------------------------------------------------------------------------------------

    @property
    def _recipe(self) -> str:
        """The preset that supplies the values; in a search, "best"."""
        return self.preset if self.time_limit is None and self.trials is None else "best"

    def _resolved(self, recipe: str | None = None) -> Settings:
        """The training's settings, checked; the preset supplies the value of each setting that is None.

        `recipe`: another preset that supplies the values.
        """
        settings = Settings(recipe or self._recipe, self._task, **self._given())
        for name, about in declared(type(self)).items():
            about.check(name, getattr(settings if hasattr(settings, name) else self, name), self)
        if settings.shards is not None and SOLVERS[settings.solver].matrix_step is not None:
            raise ValueError(
                f"solver={settings.solver!r} needs whole matrices, which shards split: use solver='adam' or no shards"
            )
        return settings.replace(**constrained_settings(self, settings))

    def _given(self) -> dict[str, Any]:
        """The estimator's settings by name; None if the user set no value."""
        return {name: getattr(self, name, None) for name in declared(Settings) if name != "preset"}

    # --- defined by subclasses -----------------------------------------------------------------------------------

    def _checked_target(self, y: Any) -> np.ndarray:
        """The target `y` as an array; raises an error for an invalid target."""
        raise TypeError(f"{type(self).__name__} must define its valid targets")

    def _target_of(self, y: np.ndarray, weights: np.ndarray | None, every: np.ndarray) -> Any:
        """The encoding of the target: the scale of the training rows' `y`, or the classes in `every`.

        `every` has the targets of all rows, including those held out.
        """
        raise TypeError(f"{type(self).__name__} must define the target's encoding")

    def _loss_function(self, settings: Settings, target: Any) -> Any:
        raise TypeError(f"{type(self).__name__} must define its loss")

    def _score_outputs(self, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None) -> float:
        raise TypeError(f"{type(self).__name__} must define the score of outputs")

    # --- fitting -------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        eval_set: Any = None,
        *,
        groups: Any = None,
        time: Any = None,
    ) -> Self:
        """Train on a table.

        Args:
            X: the table, (rows, columns).
            y: the target, one value per row.
            sample_weight: the weight of each row in the loss, (rows,); only ratios matter. None: equal.
            eval_set: a pair (X, y) to validate on; None: validate on a part of the training data.
            groups: the group of each row, (rows,), e.g. a customer or patient. The rows of a group are either all used
                for training or all for validation. None: no groups.
            time: the time of each row, (rows,), as numbers or dates. Validation rows are later than training rows by
                at least `time_gap`. None: rows have no order.

        Raises:
            DataError: `groups` or `time` has missing values, or too few distinct values to hold some out.

        `X` may be a table larger than memory: a pyarrow dataset, a lazy frame of polars, or an object with ``__len__``
        and ``__getitem__`` for slices of rows. Then `y` is the name of the target column, or an array of each row's
        target.
        """
        self._warn_if_retired()
        return self._fit(X, y, sample_weight, eval_set, groups, time)

    def _warn_if_retired(self) -> None:
        """Warn, at the user's line of code, that a preset is retired; the warning names the replacement."""
        path = presets.RETIRED.get(self.preset)
        if path is not None:
            name = type(self).__name__
            messages.warn(
                FutureWarning(
                    f"preset={self.preset!r} is retired; use {path}.{name}, which is scikit-learn's {name} with "
                    "compiled training: the same parameters, and the same network for the same random_state"
                )
            )

    @said_once()
    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        eval_set: Any,
        groups: Any,
        time: Any,
        schema: Schema | None = None,
    ) -> Any:
        self._require_target_given(y)
        search = self._search(eval_set)
        if is_source(X):
            return self._fit_source(X, y, sample_weight, eval_set, groups, time, search)
        table = X, y, sample_weight, eval_set, groups, time, schema
        is_done = self._fit_held(search, self._resolved(), table)
        if not is_done:  # an earlier version began the search
            self._fit_held(search, self._resolved("realmlp"), table)
        return self

    def _fit_held(self, search: Any, settings: Settings, table: tuple[Any, ...]) -> bool:
        """Train on a table in memory; return false if the search to be resumed held out other rows."""
        X, y, sample_weight, eval_set, groups, time, schema = table
        rng = np.random.default_rng(self._drawn_seed(settings))
        name = getattr(y, "name", None)
        X, y = inputs.check_inputs(self, X, y, reset=True)  # pyright: ignore[reportConstantRedefinition] - scikit-learn's name
        every = self._checked_target(y)  # with rows of weight 0, which may be a class's only rows
        X, y, weights, groups, time = inputs.with_weight(X, every, sample_weight, groups, time)  # pyright: ignore[reportConstantRedefinition]
        earlier = vars(self).get("fitted_") if self.warm_start else None
        if earlier is None:
            inputs.require_rows(len(y), sample_weight)
        target = self._target_after(earlier, y, weights, every)
        wanted = target.encode(y)
        weights = self._weights(weights, y)
        rows = inputs.counted_rows(X, weights)
        share = settings.validation_fraction if settings.early_stopping and eval_set is None else None
        groups, time = inputs.mark_of_rows("groups", groups), inputs.mark_of_rows("time", time)
        splitter = splitter_for(inputs.length(X), target.strata(wanted), groups, time, self.time_gap)
        most = None if share is None else splitter.most_members(rows)
        members = self._members_of(earlier, settings, len(rows), X.shape[1], most)
        splits = splitter.members(rows, share, rng, members)
        known, columns = earlier.encoder.schema if earlier else schema, as_table(X)
        folds = None if groups is None and time is None else folds_of(len(wanted), groups, time)
        if known is None:
            # Rows of other groups, and of later times, have labels of their own.
            how: dict[str, Any] = {"labels": folds is None, "monotone": self.monotone or ()}
            how["targets"] = lambda: (regression_targets(target, wanted, weights), folds, len(wanted))
            found = infer(columns, kinds=self.column_kinds, dates=self.date_format, **how)
            known = with_target(found, name, target)
        known, given, _ = with_text_targets(known, columns, target, wanted, weights, folds)
        chosen = inputs.selection(X, inputs.union([rows for rows, _ in splits]))
        encoder = earlier.encoder if earlier else encoder_of(known, settings)
        encoded = (
            encoder.transform(columns, given) if earlier else encoder.fit_transform(columns, chosen, given)
        )
        del columns  # what was kept of them
        whole = Data(encoded.numeric, encoded.codes, wanted, weights)
        train = [dataclasses.replace(whole, rows=inputs.selection(X, rows)) for rows, _ in splits]
        held_out = [dataclasses.replace(whole, rows=rows) for _, rows in splits if rows is not None]
        if eval_set is not None:
            held_out = [self._evaluation_data(eval_set, encoder, target)]
        self._require_held_out(held_out)
        self._forget_partial_fit()
        if search:
            seed = int(rng.integers(2**31))
            return search.run(encoder, target, train, held_out, seed, in_time=time is not None)
        settings = self._settled(settings, len(rows), encoder.n_numbers, len(train[0]))
        with eager(), cpu():  # so that the bits don't depend on what was computed before
            if earlier:
                self.fitted_ = dataclasses.replace(earlier, target=target)
            else:
                self._begin(encoder, target, train, settings, rng)
            # The previous training may have used the rows that a warm start holds out.
            unseen = earlier is None or eval_set is not None
            self._train(train, held_out, settings, rng, unseen=unseen, in_time=time is not None)
        return True

    def _require_target_given(self, y: Any) -> None:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")

    def _fit_source(
        self, source: Any, y: Any, sample_weight: Any, eval_set: Any, groups: Any, time: Any, search: Any
    ) -> Any:
        """Train on a table that is read block by block; see `fit`.

        Searches and row weights raise an error.
        """
        from lamina.estimators.streamed import looked_over

        if search:
            search.refuse("fit on a streamed table")
        if sample_weight is not None:
            raise ValueError("sample_weight is for tables in memory, not for streamed tables")
        settings = self._resolved()
        share = settings.validation_fraction if settings.early_stopping and eval_set is None else 0.0
        seed = self._drawn_seed(settings)
        how: dict[str, Any] = {"task": self._task, "dates": self.date_format, "seed": seed}
        how |= {"kinds": self.column_kinds, "gap": self.time_gap, "monotone": self.monotone or ()}
        with looked_over(source, y, {"groups": groups, "time": time}, share, **how) as table:
            return self._fit_streamed(table, eval_set)

    def _fit_streamed(self, table: LookedOver, eval_set: Any = None) -> Self:
        """Train on a table whose statistics and division are known; see `fit_streamed`."""
        from lamina.estimators import streamed

        for name in ("warm_start", "class_weight"):
            if getattr(self, name, None):
                raise ValueError(
                    f"{name} is for tables in memory, not for streamed tables; leave {name} out, or load the table "
                    "into memory"
                )
        survey, division = table.survey, table.division
        streamed.note_columns(self, survey)
        settings = self._resolved()
        rng = np.random.default_rng(self._drawn_seed(settings))
        known = dataclasses.replace(survey.schema, target=None) if table.is_apart else survey.schema
        target = streamed.target_of(survey, logarithmic=self.loss == "poisson")
        target = self._completed(target, getattr(target, "values", None))
        rows = division.training + len(division.validation)  # all rows, as for a table in memory
        members = settings.members or presets.enough_members(self.preset, rows, len(survey.schema.columns))
        encode, sample = streamed.learned(table, known, target, lambda schema: encoder_of(schema, settings))
        encoder, cache = encode.encoder, table.encoded(encode)
        held_out: list[Data] = []
        if eval_set is not None:
            held_out = [self._evaluation_data(eval_set, encoder, target)]
        elif len(division.validation):
            held_out = [streamed.data_of(division.validation, encode)]
        self._require_held_out(held_out)
        self._forget_partial_fit()
        settings = self._settled(settings, rows, encoder.n_numbers, cache.rows)
        with eager():  # so that the bits don't depend on what was computed before
            self._begin(encoder, target, [sample] * members, settings, rng, complete=False)
            few = streamed.evenly_spaced(sample, MOST_ROWS)
            del sample
            self._train(streamed.StreamedBatches(cache, [few] * members), held_out, settings, rng)
        gc.collect()  # the training refers to itself, and has the windows' memory
        return self

    def _target_after(
        self, earlier: FittedModel[Any] | None, y: np.ndarray, weights: np.ndarray | None, every: np.ndarray
    ) -> Any:
        """The encoding of the target for a new training.

        `earlier` is the fitted model that a warm start continues, or None.
        """
        # A warm start keeps the classes, but learns a regression's scale anew.
        known = earlier.target if earlier and self._task == "classification" else None
        target = self._completed(known, y) if known else self._target_of(y, weights, every)
        if earlier:
            hidden = None if self.hidden_layer_sizes is None else self._resolved().hidden_layer_sizes
            require_same_network(earlier, target, self.monotone, hidden)
        return target

    def _members_of(
        self, earlier: FittedModel[Any] | None, settings: Settings, rows: int, columns: int, most: int | None
    ) -> int:
        """The number of networks: a warm start's, or the user's setting, or the default for this table size.

        The default is limited to `most`, so that each network can hold out different rows.
        """
        if earlier:
            return len(earlier.network.members)
        if settings.members:
            return settings.members
        enough = presets.enough_members(settings.preset, rows, columns)
        return enough if most is None else max(min(enough, most), 1)

    def _search(self, eval_set: Any) -> Any:
        """A new `Search`, whose time limit starts now; None if the settings request no search."""
        for name in ("trials_", "blend_score_"):
            vars(self).pop(name, None)
        if self._recipe != "best":
            if self.candidates:
                raise ValueError(
                    f"candidates={self.candidates!r} need a search: give time_limit, trials or preset='best'"
                )
            return None
        from lamina.estimators.search.engine import Search

        return Search(self, eval_set)

    def _drawn_seed(self, settings: Settings) -> int:
        """A seed drawn from `random_state`.

        Processes that share a training use the first process's seed.
        """
        seed = int(check_random_state(self.random_state).randint(2**31))
        return world().broadcast(seed) if settings.shards else seed

    def _settled(self, settings: Settings, rows: int, numbers: int, trained: int) -> Settings:
        """The settings, completed with the preset's values for a table of this size.

        `rows` is the number of rows of the table, `trained` the number of its training rows, and `numbers` the number
        of its numeric columns.
        """
        # Monotone columns must be embedded.
        given = {**self._given(), **constrained_settings(self, settings)}
        settings = settings.replace(**presets.for_size(self.preset, rows, numbers, given))
        return self._settled_epochs(settings, trained)

    def _settled_epochs(self, settings: Settings, rows: int) -> Settings:
        """The settings, with values for an unset `max_iter` or `n_iter_no_change` that depend on the number of rows."""
        if settings.max_iter is None:
            epochs = presets.enough_epochs(self.preset, rows, settings.batch_size)
            settings = settings.replace(max_iter=epochs)
        if settings.n_iter_no_change == "auto":
            settings = settings.replace(n_iter_no_change=max(_LEAST_PATIENCE, settings.epochs // 4))
        return settings

    def _weights(self, weights: np.ndarray | None, y: np.ndarray) -> np.ndarray | None:
        """The row weights, scaled to a mean of 1; None without weights."""
        if weights is None:
            return None
        greatest = float(weights.max(initial=0.0))
        if greatest and not 1e-30 < greatest < 1e30:  # rescaled to fit float32, since only ratios matter
            weights = weights / greatest
        weights = weights.astype(np.float32)
        total = float(weights.sum())
        if not total > 0:
            raise ValueError("sample_weight: all weights are zero, so there is nothing to learn from")
        return np.ascontiguousarray(weights * (len(weights) / total), dtype=np.float32)

    def _evaluation_data(self, eval_set: Any, encoder: TableEncoder, target: Any) -> Data:
        X, y = inputs.check_inputs(self, *inputs.one_pair(eval_set), reset=False)
        encoded, wanted = encoder.transform(X), target.encode(self._checked_target(y))
        return Data(encoded.numeric, encoded.codes, wanted, self._evaluation_weights(target, wanted))

    def _evaluation_weights(self, target: Any, wanted: np.ndarray) -> np.ndarray | None:
        """The weights of the rows of an `eval_set`, e.g. class weights; None means equal weights."""
        return None

    def _begin(
        self,
        encoder: TableEncoder,
        target: Any,
        train: Parts,
        settings: Settings,
        rng: np.random.Generator,
        *,
        complete: bool = True,
    ) -> None:
        """Create the untrained networks of all members; `train` has each member's training rows.

        `complete`: whether `train` has all rows of the training, and not only a `partial_fit`'s.
        """
        architecture, pieces = architecture_for(encoder, target, train, settings, complete=complete)
        network = Ensemble([build_network(architecture, part, rng, pieces) for part in train])
        self.fitted_ = FittedModel(encoder, network, target)
        self.loss_curve_ = []
        self.validation_scores_ = None
        self.n_iter_ = self.t_ = 0
        self.best_loss_ = np.inf
        self.best_validation_score_ = None

    def _forget_partial_fit(self) -> None:
        """Forget the state of `partial_fit`, which belongs to another network, or to the network before this `fit`."""
        for name in ("_training", "_position", "_after_fit"):
            vars(self).pop(name, None)

    def _train(
        self,
        train: Parts | Batches,
        held_out: Parts,
        settings: Settings,
        rng: Any,
        *,
        unseen: bool = True,
        in_time: bool = False,
    ) -> None:
        """Train the networks.

        `unseen`: whether the held-out rows were never used in training. `in_time`: whether the held-out
        rows are later than the training rows.
        """
        judge = self._judge(held_out) if held_out else None
        speaks = not settings.shards or world().is_first  # only one of the processes that share the training
        watching = as_list(self.callbacks) if speaks else []
        rows = len(train[0]) if isinstance(train, Sequence) else train.rows
        functions = [one for one in watching if not isinstance(one, Observer)]
        learner = Learner(self, rows, functions)
        observers = [one for one in watching if isinstance(one, Observer)]
        if self.verbose and speaks:
            score = shown_score(self._chosen_scoring())
            observers += [progress(settings.epochs, *score), Waiting(sys.stdout)]
        observers.append(learner)
        observers += self._cycle_stopping(settings)
        with self._on_device(rows * settings.epochs) as network:
            training = self._training_of(network, train, held_out, judge, settings, rng, observers)
            try:
                for _ in training.run():
                    pass
            finally:  # the best epoch is kept after Ctrl-C, too
                if training.best_state is not None:
                    training.restore_best()
                    self.best_validation_score_ = float(training.best_score)
                    self.best_epoch_ = training.best_epoch
                    self.best_loss_ = None
                    outputs = self._calibrated_outputs(train, held_out, settings, training.past)
                    target = self._decide(self.fitted_.target, outputs, *targets_of(held_out))
                    if in_time and isinstance(train, Sequence):
                        target = self._with_trend(target, outputs, train, held_out)
                    known = held_out_by(self.fitted_, held_out, outputs) if unseen else None
                    self.fitted_ = dataclasses.replace(self.fitted_, target=target, held_out=known)
                self._keep_held_out(held_out)
        to_the_end = not learner.stopped and self.n_iter_ >= settings.epochs
        waits = settings.n_iter_no_change not in (None, "cycle")
        if waits and to_the_end and not held_out and self.preset == "sklearn":
            warnings.warn(
                f"the optimizer reached max_iter={settings.epochs} and has not converged yet; raise max_iter",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _cycle_stopping(self, settings: Settings) -> list[Observer]:
        """The observer that stops a training by `n_iter_no_change="cycle"`; [] for another value."""
        if settings.n_iter_no_change != "cycle":
            return []
        is_loss = shown_score(self._chosen_scoring())[0] == "loss"
        ends = CYCLES_END.get(settings.learning_rate, ())
        return [CycleStopping(ends, _LEAST_CYCLE_GAIN if is_loss else 0.0)]

    def _calibrated_outputs(
        self, train: Parts | Batches, held_out: Parts, settings: Settings, past: Sequence[Epoch]
    ) -> np.ndarray:
        """Calibrate the network and add its linear path; return the outputs for validation rows."""
        outputs = self._calibrate(own_outputs(self.fitted_.network, held_out), held_out)
        outputs = self._add_linear_path(outputs, train, held_out, settings, past)
        if not self._calibrate_classes(outputs, held_out):
            del outputs  # before the next ones
            outputs = own_outputs(self.fitted_.network, held_out)
        return outputs

    def _training_of(
        self,
        network: Ensemble,
        train: Parts | Batches,
        held_out: Parts,
        judge: Callable[[np.ndarray], float] | None,
        settings: Settings,
        rng: Any,
        observers: Sequence[Observer],
    ) -> EnsembleTraining:
        """A training of a network with these settings; `rng` generates all its random numbers."""
        loss = self._loss_function(settings, self.fitted_.target)
        seed = int(rng.integers(2**31))
        training = training_of(
            network, loss, settings, rng, train, held_out, judge, observers, seed=seed, n_jobs=self.n_jobs
        )
        training.scores_are_losses = shown_score(self._chosen_scoring())[0] == "loss"
        if len(held_out) > 1 and self._may_have_path(settings) and self._chosen_scoring() is None:
            training.losses_of_parts = losses_of_parts(self.fitted_.target, held_out, self._factor)
        return training

    def _may_have_path(self, settings: Settings) -> bool:
        is_plain = self.loss in (None, "squared_error", "log_loss")
        return settings.linear_path and settings.preprocess and is_plain

    @contextmanager
    def _on_device(self, rows: int) -> Generator[Ensemble]:
        """A context in which the network is on the training's device.

        At the end, the network is moved back to the CPU. `rows`, the total number of rows of all epochs, determines
        the device.
        """
        network = self.fitted_.network
        weights = sum(w.array.size for w in network.weights.values())
        context = chosen_device(self.device, training_flops(weights, rows, 1))
        self.device_ = str(context)
        if self.device != "auto":
            warn_if_not_rounded(self.precision, context)
        network.move(context)
        try:
            with context:
                yield network
        finally:
            network.move(cpu())

    def _chosen_scoring(self) -> Any:
        """The score of validation rows: `scoring`, or scikit-learn's with the preset "sklearn".

        None stands for the loss.
        """
        return self._plain_score if self.scoring is None and self.preset == "sklearn" else self.scoring

    def _judge(self, held_out: Parts) -> Callable[[np.ndarray], float]:
        target, weights = targets_of(held_out)
        return lambda outputs: self._score_outputs(outputs, target, weights)

    def _add_linear_path(
        self,
        outputs: np.ndarray,
        train: Parts | Batches,
        held_out: Parts,
        settings: Settings,
        past: Sequence[Epoch],
    ) -> np.ndarray:
        """Add a linear path to each member, if this improves loss and score on the validation rows.

        Returns the new outputs for the validation rows, or else `outputs`.
        """
        if not self._may_have_path(settings):
            return outputs
        seen = train if isinstance(train, Sequence) else train.samples
        fitted, too_low = self.fitted_, optimism(past, held_out)
        network, mean = with_linear_path(fitted.network, fitted.target, seen, held_out, too_low)
        if network is fitted.network:
            return outputs
        mean = own_outputs(network, held_out) if mean is None else mean
        score = self._judge(held_out)(mean)
        assert self.best_validation_score_ is not None
        if score < self.best_validation_score_:
            return outputs
        self.fitted_ = dataclasses.replace(fitted, network=network)
        self.best_validation_score_ = score
        return self._calibrate(mean, held_out)

    def _calibrate(self, outputs: np.ndarray, held_out: Parts) -> np.ndarray:
        """Calibrate the network by its outputs for validation rows; returns the new outputs.

        The base class does nothing.
        """
        return outputs

    def _calibrate_classes(self, outputs: np.ndarray, held_out: Parts) -> bool:
        """Calibrate each class's output by the outputs for validation rows, in place; the base class does nothing.

        Returns whether `outputs` are then those of the network; if not, the score would have fallen.
        """
        return True

    def _completed(self, target: Any, y: Any) -> Any:
        """The target with the estimator's threshold and class weights, or with its quantile levels."""
        return target

    def _decide(self, target: Any, outputs: np.ndarray | None, wanted: np.ndarray, weights: Any) -> Any:
        """The target with the threshold that scores best on validation outputs, if the settings request a choice."""
        return target

    def _with_trend(self, target: Any, outputs: np.ndarray, train: Parts, held_out: Parts) -> Any:
        """The target, with wider limits if a trend goes on in held-out rows; classes have no limits."""
        return target

    def _require_held_out(self, held_out: Parts) -> None:
        """Raise `ValueError` if a setting needs validation rows and there are none."""

    def _factor(self, outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None) -> float:
        """The calibration factor on outputs, computed from validation rows; the base class returns 1."""
        return 1.0

    def _note(self, epoch: Any, rows: int) -> None:
        self.loss_ = epoch.loss
        self.loss_curve_.append(epoch.loss)
        self.n_iter_ += 1
        self.t_ += rows
        if self.best_loss_ is not None:
            self.best_loss_ = min(self.best_loss_, epoch.loss)
        if epoch.score is not None:
            self.validation_scores_ = [*(self.validation_scores_ or []), float(epoch.score)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = tags.input_tags.string = True  # in columns of data frames
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.non_deterministic = False
        return tags


def fit_table(
    estimator: Any, X: Any, y: Any, schema: Schema, eval_set: Any = None, groups: Any = None, time: Any = None
) -> Any:
    """Train like `estimator.fit`, with the column types of `schema` instead of `column_kinds`."""
    return estimator._fit(X, y, None, eval_set, groups, time, schema)


def fit_streamed(estimator: Any, table: LookedOver, eval_set: Any = None) -> Any:
    """Train on a table whose statistics and division are known.

    Args:
        estimator: the estimator to train.
        table: the table, with its held-out validation rows.
        eval_set: a pair (X, y) to validate on, instead of the held-out rows.

    Raises:
        DataError: the table has changed since its statistics were computed, or the data are invalid as in `fit`.
    """
    return estimator._fit_streamed(table, eval_set)


_LEAST_PATIENCE = 6
_LEAST_CYCLE_GAIN = 0.01  # minimum relative gain in loss; docs/estimators-measured.md has the measurements


def encoder_of(schema: Schema, settings: Settings) -> TableEncoder:
    """An encoder of these columns with these settings, which is not fitted yet."""
    preprocess = settings.preprocess
    unclipped = [*constrained_columns(settings.monotone, schema)]
    return TableEncoder(schema, robust_scale=preprocess, smooth_clip=preprocess, unclipped=unclipped)
