"""The executors of a module: one for each device, for its slice of every batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lamina import nd
from lamina.device.context import Context
from lamina.errors import ShapeError
from lamina.mxnet.model import Arrays
from lamina.mxnet.symbol import Symbol
from lamina.mxnet.symbol.executor import Executor, bound_to_shapes
from lamina.nd.ndarray import NDArray


class ExecutorGroup:
    """A symbol bound on several devices, under the names of MXNet's ``module._exec_group``.

    Each device has its own parameters, which `update_others` keeps equal, and its own auxiliary states, such as the
    running means of its slices.

    Attributes:
        execs: the executors.
        param_names, aux_names, data_names, label_names: the names of the arrays.
        batch_size, slices: the rows of the last batch, and each device's part of them.
    """

    def __init__(
        self,
        symbol: Symbol,
        contexts: Sequence[Context],
        requests: Mapping[str, str],
        types: Mapping[str, Any],
        shapes: Mapping[str, tuple[int, ...]],
        param_names: Sequence[str],
    ) -> None:
        self.param_names, self.contexts = list(param_names), list(contexts)
        self.aux_names, self.arg_names = symbol.list_auxiliary_states(), symbol.list_arguments()
        self.divide(next((shape[0] for shape in shapes.values() if shape), 1))
        self.execs: list[Executor] = []
        for ctx, part in zip(contexts, self.slices, strict=True):
            own = {name: (part.stop - part.start, *shape[1:]) for name, shape in shapes.items()}
            given = own if len(self.contexts) > 1 else shapes
            self.execs.append(bound_to_shapes(symbol, ctx, requests, types, given))

    def divide(self, rows: int) -> None:
        """Set the devices' parts of a batch, as MXNet rounds their sizes."""
        each, self.batch_size = round(rows / len(self.contexts)), rows
        starts = [min(i * each, rows) for i in range(len(self.contexts))]
        self.slices = [slice(i, j) for i, j in zip(starts, [*starts[1:], rows], strict=True)]
        if any(part.start >= part.stop for part in self.slices) and len(self.slices) > 1:
            raise ShapeError(
                f"a batch of {rows} rows can't be divided among {len(self.contexts)} devices; use larger batches, or "
                "fewer contexts"
            )

    @property
    def param_arrays(self) -> list[list[NDArray]]:
        """The parameters, each as a list of one array per device."""
        return [[each.arg_dict[name] for each in self.execs] for name in self.param_names]

    @property
    def grad_arrays(self) -> list[list[NDArray | None]]:
        """The gradients of the parameters, each as a list of one array per device."""
        return [[each.grad_dict[name] for each in self.execs] for name in self.param_names]

    @property
    def aux_arrays(self) -> list[list[NDArray]]:
        """The auxiliary states, each as a list of one array per device."""
        return [[each.aux_dict[name] for each in self.execs] for name in self.aux_names]

    def parameters(self) -> tuple[Arrays, Arrays]:
        """The first device's parameters, and the auxiliary states' means over the devices."""
        first, others = self.execs[0], self.execs[1:]
        arguments = {name: first.arg_dict[name] for name in self.param_names}
        if not others:
            return arguments, first.aux_dict
        states = {
            name: sum((each.aux_dict[name].as_in_context(x.context) for each in others), x) / len(self.execs)
            for name, x in first.aux_dict.items()
        }
        return arguments, states

    def write(self, arguments: Mapping[str, NDArray], states: Mapping[str, NDArray], extra: bool) -> None:
        """Set parameters and auxiliary states on all devices."""
        for each in self.execs:
            each.copy_params_from(arguments, states, extra)

    def share(self, other: ExecutorGroup) -> None:
        """Use the arrays of another group's parameters and states where names and shapes are the same."""
        for each, theirs in zip(self.execs, other.execs, strict=False):
            for name in (*self.param_names, *self.aux_names):
                own = each.aux_dict if name in each.aux_dict else each.arg_dict
                found = theirs.aux_dict.get(name, theirs.arg_dict.get(name))
                if found is not None and found.shape == own[name].shape:
                    own[name] = found
                    if name in each.grad_dict:
                        each.grad_dict[name] = theirs.grad_dict[name]

    def forward(self, is_train: bool, inputs: Mapping[str, NDArray]) -> None:
        """Compute the outputs for the slices of a batch."""
        rows = next((len(x) for x in inputs.values()), self.batch_size)
        if rows != self.batch_size:
            self.divide(rows)
        for each, part in zip(self.execs, self._sliced(inputs), strict=True):
            each.compute(
                is_train, {name: x.astype(each.arg_dict[name].dtype, copy=False) for name, x in part.items()}
            )

    def _sliced(self, arrays: Mapping[str, NDArray]) -> Iterator[Arrays]:
        """Each device's rows of all arrays."""
        if len(self.execs) == 1:
            yield {name: x.as_in_context(self.contexts[0]) for name, x in arrays.items()}
            return
        for ctx, part in zip(self.contexts, self.slices, strict=True):
            yield {name: x[part].as_in_context(ctx) for name, x in arrays.items()}

    def backward(self, out_grads: Any = None) -> None:
        """Compute the gradients on all devices."""
        given = [out_grads] if isinstance(out_grads, NDArray) else out_grads
        named = {str(i): x for i, x in enumerate(given or ())}
        for each, part in zip(self.execs, self._sliced(named), strict=True):
            each.backward(list(part.values()) if named else None)

    def gradient(self, name: str) -> NDArray | None:
        """The sum of a parameter's gradients over the devices."""
        first, *others = [each.grad_dict[name] for each in self.execs]
        if first is None:
            return None
        return sum((x.as_in_context(first.context) for x in others if x is not None), first)

    def update_others(self, name: str) -> None:
        """Write the first device's parameter to the other devices."""
        first = self.execs[0].arg_dict[name]
        for each in self.execs[1:]:
            each.arg_dict[name][:] = first.as_in_context(each.arg_dict[name].context)

    def merged(self, arrays: Sequence[Sequence[Any]], merge: bool) -> list[Any]:
        """Arrays by device as arrays of all rows, or without `merge` as lists of one array per device."""
        lists = [list(each) for each in zip(*arrays, strict=True)]
        if not merge:
            return lists
        ctx = self.contexts[0]
        return [
            each[0] if len(each) == 1 else nd.concat(*[x.as_in_context(ctx) for x in each], dim=0)
            for each in lists
        ]

    def update_metric(self, metric: Any, labels: Mapping[str, NDArray]) -> None:
        """Update a metric with each device's labels and outputs."""
        for each, part in zip(self.execs, self._sliced(labels), strict=True):
            metric.update_dict(part, each.output_dict)
