"""An ensemble's outputs for many rows: the mean, each member's outputs, or the last hidden layers' activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina import nd
from lamina.compiler import compile
from lamina.compiler.deferral import eager
from lamina.device.context import Context
from lamina.distributed.communicator import Communicator
from lamina.estimators.data import Data, Parts, share_of
from lamina.estimators.meaning import probabilities
from lamina.estimators.network import Ensemble
from lamina.nd.ndarray import NDArray
from lamina.table.encode import Coded, TableEncoder

_PREDICT_ROWS = 256
_Forward = Callable[..., NDArray | list[NDArray]]


def outputs_of(network: Ensemble, data: Data, team: Communicator | None = None) -> np.ndarray:
    """The mean of the members' outputs for all rows, (rows, outputs).

    `team`: the processes that share the work; see `own_outputs`.
    """
    return _in_blocks(network, _forward_of(network), Blocks(network, [data]), team)[0]


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


@eager()
def probabilities_of_coded_row(
    network: Ensemble, encoder: TableEncoder, row: Coded, *, several: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The outputs, and the probabilities of classes (or of `several` labels), for a single row, by one graph."""
    forward = _coded_forward(network, encoder, row, lambda x: [x, probabilities(x, several=several)])
    outputs, found = forward(*_inputs(network, row, 0, 1))
    return outputs.asnumpy(), found.asnumpy()


def _inputs(network: Ensemble, table: Coded, begin: int, rows: int) -> list[NDArray]:
    context = network.context
    arrays = [table.numbers, table.codes] if table.codes.shape[1] else [table.numbers]
    return [nd.array(_joined([x[begin : begin + rows]], rows), context, x.dtype) for x in arrays]


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


def own_outputs(network: Ensemble, parts: Parts | Blocks, team: Communicator | None = None) -> np.ndarray:
    """The outputs of member i for the rows of `parts[i]`, concatenated over the members.

    A single part gets the mean of all members' outputs, as in `outputs_of`. The processes of `team` share the work, and
    each process gets all outputs.
    """
    blocks = parts if isinstance(parts, Blocks) else Blocks(network, parts)
    if len(blocks.parts) == 1:
        return _in_blocks(network, _forward_of(network), blocks, team)[0]
    members = network.members

    def own(numeric: NDArray, codes: NDArray | None = None) -> list[NDArray]:
        shares = [[share_of(x, i, len(members)) for x in (numeric, codes)] for i in range(len(members))]
        return [member.forward(*share) for member, share in zip(members, shares, strict=True)]

    return np.concatenate(_in_blocks(network, _compiled(network, own), blocks, team))


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
    return _in_blocks(network, _compiled(network, hidden), Blocks(network, [data]), None, width)[0]


class Blocks:
    """The inputs of a network for the rows of several parts (e.g. each member's rows), in blocks of rows.

    A block has the same range of rows from each part. If there is only one block, its inputs are cached, since every
    epoch is evaluated on the same rows.
    """

    def __init__(self, network: Ensemble, parts: Parts) -> None:
        self._network, self.parts = network, parts
        longest = max(map(len, parts))
        self.rows = _rows_at_once(longest)
        self.count = -(-longest // self.rows)
        self._kept: tuple[Context, list[NDArray]] | None = None

    def inputs(self, block: int) -> list[NDArray]:
        """The inputs of a compiled function for block number `block`, which has rows of each part, concatenated."""
        if self._kept is not None and self._kept[0] is self._network.context:
            return self._kept[1]
        context = self._network.context
        inputs = self._made(block * self.rows, context)
        if self.count == 1:
            self._kept = context, inputs
        return inputs

    def _made(self, begin: int, context: Context) -> list[NDArray]:
        rows = self.rows
        pairs = [(part, part.chosen(begin, begin + rows)) for part in self.parts]
        inputs = [nd.array(_joined([part.numeric[at] for part, at in pairs], rows), ctx=context)]
        if self._network.architecture.cardinalities:
            codes = [part.codes[at] for part, at in pairs if part.codes is not None]
            inputs.append(nd.array(_joined(codes, rows), ctx=context, dtype=np.int32))
        return inputs


def _in_blocks(
    network: Ensemble, forward: _Forward, blocks: Blocks, team: Communicator | None, width: int | None = None
) -> list[np.ndarray]:
    """The results of `forward` for each part, (rows, width), computed block by block.

    `forward` returns a single array, or a list with an array for each part. `width` defaults to the number of outputs.
    """
    rows, parts = blocks.rows, blocks.parts
    if blocks.count == 1 and team is None:
        with eager():
            outputs = forward(*blocks.inputs(0))
        each = outputs if isinstance(outputs, list) else [outputs]
        return [found.asnumpy()[: len(part)] for found, part in zip(each, parts, strict=True)]
    results = [np.empty((len(part), width or network.architecture.outputs), np.float32) for part in parts]
    for block in range(blocks.count) if team is None else team.share(blocks.count):
        begin = block * rows
        with eager():
            outputs = forward(*blocks.inputs(block))
        for result, found in zip(results, outputs if isinstance(outputs, list) else [outputs], strict=True):
            result[begin : begin + rows] = found.asnumpy()[: max(len(result) - begin, 0)]
    if team is not None:
        for result in results:
            ends = [min(rows * bound, len(result)) * result.shape[1] for bound in team.bounds(blocks.count)]
            team.complete(result.reshape(-1), ends)
    return results


def _rows_at_once(rows: int) -> int:
    return min(_PREDICT_ROWS, 1 << max(rows - 1, 0).bit_length())


def _joined(parts: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """`parts`, one after another, each padded with zeros to `rows` rows: only a few batch sizes need compiling."""
    if len(parts) == 1 and len(parts[0]) == rows:
        return parts[0]
    joined = np.zeros((len(parts), rows, parts[0].shape[1]), parts[0].dtype)
    for part, whole in zip(parts, joined, strict=True):
        whole[: len(part)] = part
    return joined.reshape(len(parts) * rows, joined.shape[2])
