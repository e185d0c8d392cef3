"""`FittedModel`: the learned objects that predict classes or numbers from a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, Self, TypeGuard, TypeVar

import numpy as np

from lamina.core.timings import timed
from lamina.errors import DataError
from lamina.estimators._outputs import (
    members_outputs,
    outputs_of,
    outputs_of_coded,
    own_outputs,
    probabilities_of_coded_row,
)
from lamina.estimators.architecture import Architecture
from lamina.estimators.conformal import HeldOut
from lamina.estimators.data import Data
from lamina.estimators.monotone_columns import constrained_columns
from lamina.estimators.network import Ensemble
from lamina.estimators.quantiles import Quantiles
from lamina.estimators.targets import AnyTarget, Classes, Numbers
from lamina.table.encode import Coded, Encoded, TableEncoder

__all__ = ["FittedModel", "members_outputs", "own_outputs"]

TargetT = TypeVar("TargetT", bound=AnyTarget)

_NO_TARGET = np.empty(0, np.float32)

_TARGETS = {kind.__name__: kind for kind in (Classes, Numbers, Quantiles)}


@dataclass(frozen=True)
class FittedModel(Generic[TargetT]):
    """An encoder, a network, and the target that describes the network's outputs.

    Attributes:
        encoder: converts a table to numeric inputs and codes; its `schema` describes the columns.
        network: computes outputs from numeric inputs and codes. The last layer includes a classifier's calibration
            factor.
        target: the classes or the scale of numbers, which define the meaning of the outputs.
        held_out: the members' outputs for rows that were held out of training; None without such rows.

    >>> import numpy as np
    >>> from lamina import MLPRegressor
    >>> X = np.linspace(0, 1, 50).reshape(-1, 1)
    >>> fitted = MLPRegressor(preset="fast", max_iter=2, hidden_layer_sizes=8, random_state=0).fit(X, X.ravel()).fitted_
    >>> outputs = fitted.outputs(fitted.encode(X))
    >>> outputs.shape, fitted.target.predictions(outputs).shape
    ((50, 1), (50,))
    """

    encoder: TableEncoder
    network: Ensemble
    target: TargetT
    held_out: HeldOut | None = None

    def encode(self, table: Any) -> Encoded:
        """Encode a table for the network.

        Raises:
            DataError: the table does not match the training table.
        """
        return self.encoder.transform(table)

    def outputs(self, rows: Encoded | Coded) -> np.ndarray:
        """The network's outputs, (rows, outputs), float32."""
        if not isinstance(rows, Coded):
            return self.computed(rows, outputs_of)
        if self._is_row_of_classes(rows):
            return self._of_row(rows)[0]
        with timed("computing"):
            return outputs_of_coded(self.network, self.encoder, rows)

    def _is_row_of_classes(self, rows: Encoded | Coded) -> TypeGuard[Coded]:
        return isinstance(rows, Coded) and len(rows.numbers) == 1 and isinstance(self.target, Classes)

    @timed("computing")
    def _of_row(self, row: Coded) -> tuple[np.ndarray, np.ndarray]:
        """The outputs and the probabilities of a row; one compiled function, so that a model compiles only one."""
        several = isinstance(self.target, Classes) and self.target.multilabel
        return probabilities_of_coded_row(self.network, self.encoder, row, several=several)

    @timed("computing")
    def computed(self, encoded: Encoded, function: Callable[[Ensemble, Data], np.ndarray]) -> np.ndarray:
        """The result of `function` for the network and an encoded table."""
        return function(self.network, Data(encoded.numeric, encoded.codes, _NO_TARGET))

    def of_table(
        self, table: Any, function: Callable[[Ensemble, Data], np.ndarray] = outputs_of
    ) -> np.ndarray:
        """The result of `function` for the network and a table, after encoding the table.

        The rows must be the second-to-last axis of the result.

        Raises:
            DataError: the table does not match the training table, or an output exceeds float32.
        """
        if function is outputs_of:
            return _require_finite(self.outputs(self.encoder.coded(table)))
        return _require_finite(self.computed(self.encode(table), function))

    def probabilities(self, table: Any) -> np.ndarray:
        """The probability of each class (or label) for a table, float64 (rows, classes).

        Raises:
            DataError: see `of_table`.
        """
        rows, target = self.encoder.coded(table), self.target
        assert isinstance(target, Classes)
        if not self._is_row_of_classes(rows):
            return target.probabilities(_require_finite(self.outputs(rows)))
        outputs, found = self._of_row(rows)
        _require_finite(outputs)
        return found

    @property
    def monotone(self) -> dict[str, int]:
        """The direction of each constrained column: 1 if predictions rise with the column, -1 if they fall."""
        numbers = [column.name for column in self.encoder.schema.embedded]
        directions = self.network.architecture.monotone or (0,) * len(numbers)
        return {name: sign for name, sign in zip(numbers, directions, strict=True) if sign}

    @property
    def layers(self) -> tuple[int, ...]:
        """The layer widths of the first member: the first hidden layer's input, the hidden layers, and the output."""
        return self.network.architecture.widths

    def require_fit(self) -> None:
        """Check that the encoder, the network and the target of a file or pickle are consistent.

        Raises:
            ValueError: they are inconsistent.
        """
        parts, encoder = self.network.architecture, self.encoder
        for each in {member.architecture for member in self.network.members}:
            each.activations()
            each.dropouts()
        wanted = (encoder.n_numbers, len(encoder.numeric_names), tuple(encoder.cardinalities))
        if (parts.numbers, parts.inputs, parts.cardinalities) != wanted:
            raise ValueError("the network's inputs don't match the encoder's columns")
        if self.target.outputs != parts.outputs:
            raise ValueError(f"the network has {parts.outputs} outputs, the target {self.target.outputs}")

    # --- pickles -------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The model as dicts, lists and tuples of scalars and NumPy arrays, without lamina classes."""
        settings, scales = self.encoder.state()
        return {
            "encoder": {"settings": settings, "arrays": scales},
            "architectures": [asdict(member.architecture) for member in self.network.members],
            "network": self.network.state(),
            "shares": self.network.shares,
            "target": {"kind": type(self.target).__name__, **vars(self.target)},
            "held_out": None if self.held_out is None else self.held_out.arrays(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The model with this state, which `state` returned.

        Raises:
            KeyError, TypeError, ValueError: the state is invalid.
        """
        of_target = dict(state["target"])
        target: Any = _TARGETS[of_target.pop("kind")](**of_target)
        architectures = [Architecture(**parts) for parts in state["architectures"]]
        encoder = TableEncoder.from_state(state["encoder"]["settings"], state["encoder"]["arrays"])
        network = Ensemble.from_state(architectures, state["network"], state["shares"])
        fitted = cls(encoder, network, target)
        fitted.require_fit()
        held_out = state["held_out"]
        return fitted if held_out is None else replace(fitted, held_out=HeldOut.from_arrays(target, held_out))


def _require_finite(outputs: np.ndarray) -> np.ndarray:
    if np.isfinite(outputs).all():
        return outputs
    row = int(np.argwhere(~np.isfinite(outputs))[0][-2])
    raise DataError(
        f"row {row} of X has such large values that the network's output exceeds float32; scale the columns"
    )


def require_same_network(fitted: FittedModel[Any], target: Any, monotone: Mapping[Any, Any] | None) -> None:
    """Raise an error unless a warm start's network fits the new target and settings.

    Args:
        fitted: the previous result of `fit`.
        target: the new target.
        monotone: the estimator's `monotone` setting.

    Raises:
        ValueError: the number of outputs, the quantiles or the constrained columns differ.
    """
    anew = "a warm start must continue with the same network; set warm_start=False to train a new one"
    before, now = (getattr(one, "levels", ()) for one in (fitted.target, target))
    if before != now:
        raise ValueError(f"the quantiles were {_said(before)} and are now {_said(now)}; {anew}")
    if fitted.target.outputs != target.outputs:
        raise ValueError(
            f"y needed {fitted.target.outputs} outputs of the network, and now needs {target.outputs}; {anew}"
        )
    columns = constrained_columns(monotone, fitted.encoder.schema)
    if fitted.monotone != columns:
        raise ValueError(f"monotone was {fitted.monotone} and is now {columns}; {anew}")


def _said(levels: tuple[float, ...]) -> str:
    return str([*levels]) if levels else "none"
