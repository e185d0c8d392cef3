"""`Trainer`: applies an optimizer to a network's parameters after each backward."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.state import concrete, state
from lamina.errors import DataError, ParameterError, TraceError
from lamina.gluon.parameter import Parameter
from lamina.gluon.parameter_dict import ParameterDict
from lamina.messages import excerpt
from lamina.nd.ndarray import NDArray
from lamina.optimizer import Optimizer, create

if TYPE_CHECKING:
    from lamina.distributed.kvstore import DistributedStore

__all__ = ["Trainer"]


class Trainer:
    """Updates parameters from their gradients, with one optimizer for all of them.

    Args:
        params: ``net.collect_params()``, or a list or dictionary of parameters.
        optimizer: an optimizer, or its name (``"sgd"``, ``"adam"`` …).
        optimizer_params: the optimizer's arguments, if it is given by name.
        kvstore: MXNet's. With ``"dist_sync"``, or a `DistributedStore`, gradients are summed over all processes that
            mpirun started, and all begin with the first one's parameters (those whose shapes are not known yet,
            with the first step); `step` takes the number of rows of all of them together.
            Another store's name means nothing here.
        compression_params, update_on_kvstore: MXNet's; accepted and unused.

    Works inside `lamina.compile` too: there the update becomes part of the compiled step, and a changed
    learning rate or a schedule does not recompile it.

    >>> from lamina import autograd, gluon, nd
    >>> net = gluon.nn.Dense(1, in_units=2, weight_initializer="ones")
    >>> net.initialize()
    >>> trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    >>> with autograd.record():
    ...     loss = net(nd.array([[1, 2]]))
    >>> loss.backward()
    >>> trainer.step(batch_size=1)
    >>> net.weight.data().asnumpy()
    array([[0.5, 0. ]], dtype=float32)
    """

    def __init__(
        self,
        params: ParameterDict | Mapping[str, Parameter] | Sequence[Parameter],
        optimizer: str | Optimizer,
        optimizer_params: Mapping[str, Any] | None = None,
        kvstore: Any = "device",
        compression_params: Any = None,
        update_on_kvstore: bool | None = None,
    ) -> None:
        self._params = _distinct(params)
        self._optimizer = _optimizer(optimizer, optimizer_params)
        self._optimizer.param_dict = dict(enumerate(self._params))
        self._store = _store(kvstore)
        self._begun_together = self._store is None
        if self._store is not None and all(p._data is not None for p in self._params):
            self._begin_together(self._store)
        self._states: dict[int, Any] = {}
        self._used: dict[int, int] = {  # by index: the version of the gradient that was used last
            i: p.list_grad()[0]._version for i, p in enumerate(self._params) if p._grad is not None
        }

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer."""
        return self._optimizer

    @property
    def learning_rate(self) -> float:
        """The current learning rate: the scheduler's, if there is one."""
        return self._optimizer.learning_rate

    def set_learning_rate(self, lr: float) -> None:
        """Change the learning rate; an error if a scheduler decides it."""
        self._optimizer.set_learning_rate(lr)

    # --- updating -------------------------------------------------------------------------------------------

    def step(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """Update all parameters from their gradients divided by `batch_size`.

        `backward` of a vector of losses gives the gradient of their sum; dividing makes it that of the mean.

        A gradient that `backward` has not written since the last step is *stale*. Its parameter is not
        updated, and a warning says so, unless `ignore_stale_grad`.
        """
        self.allreduce_grads()
        self.update(batch_size, ignore_stale_grad)

    def allreduce_grads(self) -> None:
        """Where parameters live on several devices, or in several processes, give each the sum of all gradients."""
        if self._store is not None:
            self._sum_over_processes(self._store)
            return
        for parameter in self._params:
            if parameter.grad_req == "null":
                continue
            first, *others = parameter.list_grad()
            if not others:
                continue
            for grad in others:
                first += grad.as_in_context(first.context)
            for grad in others:
                grad[:] = first.as_in_context(grad.context)

    def _sum_over_processes(self, store: DistributedStore) -> None:
        if state.trace is not None:
            raise TraceError(
                "Trainer: gradients of several processes can't be summed inside a compiled function; compile what "
                "computes them, with keep_gradients=True, and call trainer.step after it"
            )
        if not self._begun_together:
            self._begin_together(store)
        trained = {i: p.list_grad() for i, p in enumerate(self._params) if p.grad_req != "null"}
        stale = [i for i, grads in trained.items() if grads[0]._version == self._used.get(i, 0)]
        totals = store.summed(list(zip(*trained.values(), strict=True)))
        for grads, total in zip(trained.values(), totals, strict=True):
            for grad in grads:
                grad[:] = total
        self._used.update((i, trained[i][0]._version) for i in stale)  # they still are

    def _begin_together(self, store: DistributedStore) -> None:
        """Give all processes the first one's parameters."""
        values = store.of_first([p.list_data()[0] for p in self._params])
        for parameter, value in zip(self._params, values, strict=True):
            for data in parameter.list_data():
                data[:] = value
        self._begun_together = True

    def update(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """`step` without `allreduce_grads`: for gradients that were changed, say clipped, after it."""
        if isinstance(batch_size, int | float) and not batch_size > 0:
            raise ParameterError(
                f"step: gradients are divided by batch_size, which must be positive, not {batch_size}"
            )
        todo = [i for i, p in enumerate(self._params) if p.grad_req != "null"]
        if state.trace is None:
            todo = self._without_stale(todo, warn=not ignore_stale_grad)
        self._update_all(todo, batch_size)
        if state.trace is None:
            self._used.update((i, self._params[i].list_grad()[0]._version) for i in todo)

    def _update_all(self, todo: list[int], batch_size: float) -> None:
        with self._optimizer.dividing_by(batch_size):
            for i in todo:
                self._update_one(i, self._params[i])

    def _update_one(self, i: int, parameter: Parameter) -> None:
        first, *others = parameter.list_ctx()
        weight, grad = parameter.data(first), parameter.grad(first)
        self._optimizer.update(i, weight, grad, self._state(i, weight))
        for context in others:
            parameter.data(context)[:] = weight.as_in_context(context)

    def _without_stale(self, todo: list[int], warn: bool) -> list[int]:
        """The indices whose gradient is new since the last step."""
        stale = [i for i in todo if self._params[i].list_grad()[0]._version == self._used.get(i, 0)]
        if stale and warn:
            names = ", ".join(f"'{self._params[i].name}'" for i in stale)
            warnings.warn(
                f"The gradients of {names} have not been written by backward since the last step, so these "
                "parameters are not updated. Was a part of the network left out? If that is intended, call "
                "step with ignore_stale_grad=True.",
                stacklevel=4,
            )
        return [i for i in todo if i not in stale]

    def _state(self, i: int, weight: NDArray) -> Any:
        """The optimizer's state of a parameter, made at its first update."""
        if i not in self._states:
            with concrete():
                self._states[i] = self._optimizer.create_state(i, weight)
        return self._states[i]

    # --- saving ---------------------------------------------------------------------------------------------

    def save_states(self, fname: str | os.PathLike[str]) -> None:
        """Write the optimizer's states and update counts as a safetensors file, whole or not at all.

        The parameters themselves are saved by `Block.save_parameters`.
        """
        from lamina.files.tensors import save_tensors

        arrays: dict[str, np.ndarray] = {}
        for i, values in self._states.items():
            for k, x in enumerate(_arrays(values)):
                arrays[f"{i}.{k}"] = x.asnumpy()
        counts = {str(i): n for i, n in self._optimizer._counts.items()}
        described = {
            "optimizer": type(self._optimizer).__name__,
            "update_counts": json.dumps(counts),
            "num_update": str(self._optimizer.num_update),
        }
        save_tensors(fname, arrays, described)

    def load_states(self, fname: str | os.PathLike[str]) -> None:
        """Read what `save_states` wrote, for the same parameters and kind of optimizer; all of it, or an error.

        Raises:
            DataError: if the file is damaged, or of another optimizer or network.
        """
        from lamina.files.tensors import load_tensors

        source = os.fspath(fname)
        loaded, described = load_tensors(fname)
        counts, num_update = self._check_described(described, source)
        other = next((name for name in loaded if not re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,9}", name)), None)
        if other is not None:
            raise DataError(f"{source} holds an array {excerpt(other)!r}, which no trainer's states have")
        indices = sorted({int(name.partition(".")[0]) for name in loaded})
        pairs = [pair for i in indices for pair in self._state_pairs(i, loaded, source)]
        for x, values in pairs:
            x[:] = values
        self._optimizer._counts.update(counts)
        self._optimizer.num_update = num_update

    def _state_pairs(
        self, i: int, loaded: Mapping[str, np.ndarray], source: str
    ) -> list[tuple[NDArray, np.ndarray]]:
        """Each array of a parameter's state with its values in the file."""
        if i >= len(self._params):
            raise DataError(f"{source} has a state for parameter {i}; the trainer has {len(self._params)}")
        parameter = self._params[i]
        pairs: list[tuple[NDArray, np.ndarray]] = []
        for k, x in enumerate(_arrays(self._state(i, parameter.list_data()[0]))):
            values = loaded.get(f"{i}.{k}")
            if values is None or values.shape != x.shape:
                found = "nothing" if values is None else f"shape {values.shape}"
                raise DataError(
                    f"{source}: state {k} of '{parameter.name}' should have shape {x.shape}, found {found}"
                )
            pairs.append((x, values))
        return pairs

    def _check_described(self, described: Mapping[str, str], source: str) -> tuple[dict[int, int], int]:
        """The update counts in a file's metadata."""
        from lamina.files.typed_json import Count, decoded

        kind, found = type(self._optimizer).__name__, described.get("optimizer")
        if found != kind:
            raise DataError(f"{source} holds states of {excerpt(found)}, but the optimizer is {kind}")
        what = f"{source} does not hold a trainer's states"
        counts = decoded(described.get("update_counts", ""), dict[Count, Count], what)
        updates: Any = Count  # for the type checker an alias is no type
        return counts, decoded(described.get("num_update", ""), updates, what)


def _distinct(params: Any) -> list[Parameter]:
    """The parameters in order, each once."""
    listed = list(params.values()) if isinstance(params, ParameterDict | Mapping) else params
    if not isinstance(listed, list | tuple) or not all(isinstance(p, Parameter) for p in listed):
        raise ParameterError(
            f"Trainer needs a list or dictionary of Parameters, such as net.collect_params(), not {params!r}"
        )
    return list({id(p): p for p in listed}.values())


def _store(kvstore: Any) -> DistributedStore | None:
    """The store of several processes, if that is what is asked for."""
    from lamina.distributed.kvstore import DistributedStore, create, is_distributed

    if isinstance(kvstore, DistributedStore):
        return kvstore
    return create(kvstore) if is_distributed(kvstore) else None


def _optimizer(optimizer: str | Optimizer, arguments: Mapping[str, Any] | None) -> Optimizer:
    if isinstance(optimizer, Optimizer):
        if arguments:
            raise ParameterError("optimizer_params goes with the name of an optimizer, not with an optimizer")
        return optimizer
    return create(optimizer, **(arguments or {}))


def _arrays(values: Any) -> Iterator[NDArray]:
    """The arrays in an optimizer's state: None, an array, or nested tuples."""
    if isinstance(values, NDArray):
        yield values
    elif values is not None:
        for value in values:
            yield from _arrays(value)
