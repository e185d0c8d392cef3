"""`FittedModel`: the learned objects that predict classes or numbers from a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, Self, TypeGuard, TypeVar

import numpy as np

from lamina import nd
from lamina.compiler import CompiledFunction, Counterpart, compile
from lamina.compiler.deferral import eager
from lamina.core.timings import timed
from lamina.device.context import Context
from lamina.distributed.communicator import Communicator
from lamina.errors import DataError
from lamina.estimators.architecture import Architecture
from lamina.estimators.conformal import HeldOut
from lamina.estimators.data import Data, Parts
from lamina.estimators.meaning import probabilities
from lamina.estimators.monotone_columns import constrained_columns
from lamina.estimators.network import Ensemble
from lamina.estimators.targets import AnyTarget, Classes, Numbers, Quantiles
from lamina.nd.ndarray import NDArray
from lamina.table.encode import Coded, Encoded, TableEncoder

# --- outputs for many rows --------------------------------------------------------------------------------------------
_PREDICT_ROWS = 256
_KEPT_BYTES = 1 << 20  # maximum size of several blocks that are kept
_Forward = Callable[..., NDArray]


def outputs_of(network: Ensemble, data: Data, team: Communicator | None = None) -> np.ndarray:
    """The mean of the members' outputs for all rows, (rows, outputs).

    `team`: the processes that share the work; see `own_outputs`.
    """
    return _in_blocks(network, _forward_of(network), Blocks(network, data), team)


def _forward_of(network: Ensemble) -> _Forward:
    rises = network.kept_rises()

    def forward(numeric: NDArray, codes: NDArray | None = None) -> NDArray:
        return network(numeric, codes, rises)

    return _compiled(network, forward)


def _compiled(network: Ensemble, function: _Forward) -> _Forward:
    """The compiled function, kept by its name until the network is moved to another device."""
    if function.__name__ not in network.compiled:
        network.compiled[function.__name__] = compile(function, independent_rows=True)
    return network.compiled[function.__name__]


@eager()
def outputs_of_coded(network: Ensemble, encoder: TableEncoder, table: Coded) -> np.ndarray:
    """The mean of the members' outputs for all rows, (rows, outputs), encoded in the networks' graph."""
    forward, count = _coded_forward(network, encoder, table), len(table.numbers)
    rows = _rows_at_once(count)
    blocks = [forward(*_inputs(network, table, i, rows)).asnumpy() for i in range(0, max(count, 1), rows)]
    return (blocks[0] if len(blocks) == 1 else np.concatenate(blocks))[:count]


def _inputs(network: Ensemble, table: Coded, begin: int, rows: int) -> list[NDArray]:
    context = network.context
    arrays = [table.numbers, table.codes] if table.codes.shape[1] else [table.numbers]
    return [nd.array(_filled(x[begin : begin + rows], rows), context, x.dtype) for x in arrays]


def _coded_forward(
    network: Ensemble, encoder: TableEncoder, table: Coded, finish: Callable[[NDArray], Any] | None = None
) -> Callable[..., Any]:
    """The compiled function of `Coded`'s arrays; of the outputs, it returns the result of `finish`."""
    rises, key = network.kept_rises(), (table.numbers.dtype, finish is None)
    known = network.compiled.get(key)
    if known is None or known[0] is not encoder:

        def forward(numbers: NDArray, codes: Any = None) -> Any:
            outputs = network(*encoder.traced(numbers, codes), rises)
            return outputs if finish is None else finish(outputs)

        known = network.compiled[key] = encoder, compile(forward, independent_rows=True)
    return known[1]


def own_outputs(
    network: Ensemble, parts: Parts | Sequence[Blocks], team: Communicator | None = None
) -> np.ndarray:
    """The outputs of member i for the rows of `parts[i]`, concatenated over the members.

    A single part gets the mean of all members' outputs, as in `outputs_of`. The processes of `team` share the work, and
    each process gets all outputs.
    """
    blocks = blocks_of(network, parts)
    if len(blocks) == 1:
        return _in_blocks(network, _forward_of(network), blocks[0], team)
    members = enumerate(blocks)
    return np.concatenate([_in_blocks(network, _own_forward(network, i), own, team) for i, own in members])


def _own_forward(network: Ensemble, i: int) -> CompiledFunction[..., NDArray]:
    """Member `i`'s compiled outputs, by the program of the first member's if their architectures are equal."""
    first, member = network.members[0], network.members[i]

    def own(numeric: NDArray, codes: NDArray | None = None) -> NDArray:
        return member.forward(numeric, codes)

    if i not in network.compiled:
        made: CompiledFunction[..., NDArray] = compile(own, independent_rows=True)
        if i > 0 and member.architecture == first.architecture:
            made = Counterpart(own, _own_forward(network, 0), lambda: (member.counterparts(first), {}))
        network.compiled[i] = made
    return network.compiled[i]


def members_outputs(network: Ensemble, data: Data) -> np.ndarray:
    """Each member's outputs for all rows, (members, rows, outputs), float32."""
    members = len(network.members)
    return own_outputs(network, [data] * members).reshape(members, len(data), -1)


def hidden_of(network: Ensemble, data: Data) -> np.ndarray:
    """The activations of all members' last hidden layers, concatenated: (rows, features), float32."""
    members = network.members

    def hidden(numeric: NDArray, codes: NDArray | None = None) -> NDArray:
        return nd.concat(*(one.hidden(numeric, codes) for one in members), dim=1)

    width = sum(widths[-2] for widths in network.widths)
    return _in_blocks(network, _compiled(network, hidden), Blocks(network, data), None, width)


def blocks_of(network: Ensemble, parts: Parts | Sequence[Blocks]) -> list[Blocks]:
    """The inputs of `own_outputs` for these parts, in blocks of the same number of rows."""
    made = [part for part in parts if isinstance(part, Blocks)]
    data = [part for part in parts if isinstance(part, Data)]
    of_each = {id(part): Blocks(network, part, max(map(len, data))) for part in data}
    return made or [of_each[id(part)] for part in data]


class Blocks:
    """The inputs of a network for the rows of a part (e.g. a member's rows), in blocks of rows.

    The inputs are kept unless they are large, since every epoch is evaluated on the same rows. Blocks are as for
    `longest` rows, by default those of the part.
    """

    def __init__(self, network: Ensemble, part: Data, longest: int = 0) -> None:
        self._network, self.part = network, part
        self.rows = _rows_at_once(longest or len(part))
        self.count = -(-len(part) // self.rows)
        width = network.architecture.inputs + len(network.architecture.cardinalities)
        self._keeps = self.count == 1 or 4 * width * self.count * self.rows <= _KEPT_BYTES
        self._kept: dict[tuple[Context, int], list[NDArray]] = {}

    def inputs(self, block: int) -> list[NDArray]:
        """The inputs of a compiled function for block number `block`."""
        context, rows, part = self._network.context, self.rows, self.part
        if (known := self._kept.get((context, block))) is not None:
            return known
        at = part.chosen(block * rows, (block + 1) * rows)
        inputs = [nd.array(_filled(part.numeric[at], rows), ctx=context)]
        if part.codes is not None and self._network.architecture.cardinalities:
            inputs.append(nd.array(_filled(part.codes[at], rows), ctx=context, dtype=np.int32))
        if self._keeps:
            self._kept[context, block] = inputs
        return inputs


def _in_blocks(
    network: Ensemble, forward: _Forward, blocks: Blocks, team: Communicator | None, width: int | None = None
) -> np.ndarray:
    """The results of `forward`, (rows, width), computed block by block; `width` defaults to the number of outputs."""
    rows = blocks.rows
    result = np.empty((len(blocks.part), width or network.architecture.outputs), np.float32)
    for block in range(blocks.count) if team is None else team.share(blocks.count):
        with eager():
            found = forward(*blocks.inputs(block))
        result[block * rows : (block + 1) * rows] = found.asnumpy()[: max(len(result) - block * rows, 0)]
    if team is not None:
        ends = [min(rows * bound, len(result)) * result.shape[1] for bound in team.bounds(blocks.count)]
        team.complete(result.reshape(-1), ends)
    return result


def _rows_at_once(rows: int) -> int:
    return min(_PREDICT_ROWS, 1 << max(rows - 1, 0).bit_length())


def _filled(part: np.ndarray, rows: int) -> np.ndarray:
    """A part, padded with zeros to `rows` rows: only a few batch sizes need compiling."""
    if len(part) == rows:
        return part
    whole = np.zeros((rows, part.shape[1]), part.dtype)
    whole[: len(part)] = part
    return whole


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
    @eager()
    def _of_row(self, row: Coded) -> tuple[np.ndarray, np.ndarray]:
        """The outputs and the probabilities of a row; one compiled function, so that a model compiles only one."""
        several = isinstance(self.target, Classes) and self.target.multilabel
        forward = _coded_forward(
            self.network, self.encoder, row, lambda x: [x, probabilities(x, several=several)]
        )
        outputs, found = forward(*_inputs(self.network, row, 0, 1))
        return outputs.asnumpy(), found.asnumpy()

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
        return cls.restored(encoder, network, target, state["held_out"] or {})

    @classmethod
    def restored(
        cls, encoder: TableEncoder, network: Ensemble, target: Any, held_out: Mapping[str, np.ndarray]
    ) -> Self:
        """The model with these parts of a file or pickle; `held_out` has the arrays of a `HeldOut`, or is empty.

        Raises:
            ValueError: the parts don't match each other.
        """
        fitted = cls(encoder, network, target)
        fitted.require_fit()
        return replace(fitted, held_out=HeldOut.from_arrays(target, held_out)) if held_out else fitted


def _require_finite(outputs: np.ndarray) -> np.ndarray:
    if np.isfinite(outputs).all():
        return outputs
    row = int(np.argwhere(~np.isfinite(outputs))[0][-2])
    raise DataError(
        f"row {row} of X has such large values that the network's output exceeds float32; scale the columns"
    )


def require_same_network(
    fitted: FittedModel[Any], target: Any, monotone: Mapping[Any, Any] | None, hidden: tuple[int, ...] | None
) -> None:
    """Raise an error unless a warm start's network fits the new target and settings.

    Args:
        fitted: the previous result of `fit`.
        target: the new target.
        monotone: the estimator's `monotone` setting.
        hidden: the widths of the hidden layers, if they are set.

    Raises:
        ValueError: the number of outputs, the quantiles, the constrained columns or the widths differ.
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
    widths = {member.architecture.hidden for member in fitted.network.members}
    if hidden is not None and widths != {hidden}:
        raise ValueError(f"hidden_layer_sizes was {_said(max(widths))} and is now {_said(hidden)}; {anew}")


def _said(values: tuple[float, ...]) -> str:
    return str([*values]) if values else "none"
