"""`Trainer`, which applies an optimizer to a network's parameters after each backward pass."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.state import after_run, state
from lamina.errors import DataError, ParameterError, UnfitParameterError
from lamina.gluon.parameter import Parameter
from lamina.gluon.parameter_dict import ParameterDict
from lamina.nd.ndarray import NDArray
from lamina.optimizer import Optimizer, create, get_updater
from lamina.optimizer.optimizer import arrays_in
from lamina.support.argument_checks import lacking
from lamina.support.foreign_names import OPTIMIZERS_ARGUMENTS, telling
from lamina.support.messages import excerpt, in_a_line

if TYPE_CHECKING:
    from lamina.mxnet.kvstore import KVStoreBase

__all__ = ["Trainer"]


_AS_DICT = 'Trainer(params, "sgd", {"learning_rate": 0.1})'


@telling
class Trainer:
    """A trainer that updates all parameters from their gradients by one optimizer.

    Args:
        params: ``net.collect_params()``, or a list or dictionary of parameters.
        optimizer: an optimizer, or its name (``"sgd"``, ``"adam"`` …).
        optimizer_params: the optimizer's arguments, if `optimizer` is a name.
        kvstore: a store that sums gradients, or its name (see `lamina.kvstore`), used if parameters are on several
            devices. ``"dist_sync"`` sums gradients over all processes that mpirun started; all processes begin with the
            first process's parameters, and `step` gets the total number of rows.
        compression_params: ignored, since a single machine needs no compression.
        update_on_kvstore: whether the store updates the parameters for all devices, by default True if the store
            supports updates. `allreduce_grads` and `update` require False.

    A trainer works inside `lamina.compile`, too. There the update is compiled with the step, which is not recompiled if
    the learning rate changes.

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

    @lacking(
        **dict.fromkeys(
            ("learning_rate", "momentum", "wd", *OPTIMIZERS_ARGUMENTS),
            f"Settings of the optimizer go into a dict: {_AS_DICT}",
        )
    )
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
        # In MXNet, parameters of a dictionary are updated in the order of their keys, on which Nadam depends.
        self._order = list(range(len(self._params)))
        if isinstance(params, ParameterDict | Mapping):
            in_order = _distinct([params[key] for key in sorted(params)])
            self._order = [self._params.index(p) for p in in_order]
        self._optimizer = _optimizer(optimizer, optimizer_params)
        self._optimizer.param_dict = dict(enumerate(self._params))
        self._updater = get_updater(self._optimizer)
        if isinstance(kvstore, str) and "dist" in kvstore:
            self._begin_alike()
        self._kvstore_params = (kvstore, update_on_kvstore)
        self._kvstore: KVStoreBase | None = None
        self._update_on_kvstore: bool | None = None
        # By index: the version of each parameter's values in the store.
        self._stored: dict[int, int] | None = None
        # By index: the last used gradient, and its version at that time.
        self._used: dict[int, tuple[NDArray, int]] = {}
        self._note_used(i for i, p in enumerate(self._params) if p._grad is not None)

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        # Trainers pickled by an earlier version have no order.
        self.__dict__.update({"_order": list(range(len(attributes["_params"]))), **attributes})

    def _begin_alike(self) -> None:
        """Send the first process's parameters of known shape to all processes, before their first gradients."""
        from lamina.distributed import broadcast

        for parameter in self._params:
            for data in parameter._arrays() if parameter._data is not None else ():
                broadcast(data)

    @property
    def optimizer(self) -> Optimizer:
        return self._optimizer

    @property
    def _kv_initialized(self) -> bool:
        """Whether the store has been chosen, for training loops written for MXNet."""
        return self._stored is not None

    @property
    def learning_rate(self) -> float:
        """The current learning rate, from the scheduler if the optimizer has one."""
        return self._optimizer.learning_rate

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate; if a scheduler determines it, raise an error that is also a `UserWarning`."""
        self._optimizer.set_learning_rate(lr)

    # --- updating -------------------------------------------------------------------------------------------

    def step(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """Update all parameters from their gradients divided by `batch_size`.

        `backward` of a vector of losses computes the gradient of their sum; dividing by `batch_size` makes it the
        gradient of the mean.

        A gradient that `backward` has not written since the last step is *stale*. Its parameter is not updated, with a
        warning unless `ignore_stale_grad` is true.
        """
        self._init_kvstore()
        if not self._update_on_kvstore:
            self._allreduce_grads()
        self._update(batch_size, ignore_stale_grad)

    def allreduce_grads(self) -> None:
        """Sum gradients across devices, if parameters are on several devices."""
        self._init_kvstore()
        self._require_own_updates("allreduce_grads")
        self._allreduce_grads()

    def update(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """Update all parameters like `step`, but without summing gradients across devices.

        Between `allreduce_grads` and `update`, gradients can be modified, for example clipped.
        """
        self._init_kvstore()
        self._require_own_updates("update")
        self._update(batch_size, ignore_stale_grad)

    def _require_own_updates(self, method: str) -> None:
        if self._update_on_kvstore:
            raise UnfitParameterError(
                f"{method}() when parameters are updated on kvstore is not supported. Try setting "
                "`update_on_kvstore` to False when creating trainer."
            )

    def _init_kvstore(self) -> None:
        """Create the store at the first step; pass parameters initialized since the last step to the store."""
        if self._stored is None:
            chosen, update = self._kvstore_params
            if isinstance(chosen, str):
                several = len(self._params[0].list_ctx()) > 1 if self._params else False
                is_needed = several or "dist" in chosen
                chosen = import_module("lamina.mxnet.kvstore").create(chosen) if is_needed else None
            self._kvstore = chosen
            if chosen is not None:
                can = chosen.is_capable("optimizer")
                if update and not can:
                    raise ParameterError(f"update_on_kvstore must be False with a {type(chosen).__name__}")
                self._update_on_kvstore = can if update is None else update
                if self._update_on_kvstore:
                    chosen.set_optimizer(self._optimizer)
                    self._updater = getattr(chosen, "_updater", self._updater)
            self._stored = {}
        if self._kvstore is not None:
            self._store_parameters(self._kvstore, self._stored)

    def _store_parameters(self, store: KVStoreBase, stored: dict[int, int]) -> None:
        """Pass newly initialized parameters to the store.

        If the store updates the parameters, pass parameters that the program has set or loaded, too.
        """
        for i, parameter in enumerate(self._params):
            if parameter._data is None:
                continue
            data = parameter._arrays()
            if i not in stored:
                store.broadcast(i, data[0], out=data)
            elif self._update_on_kvstore and state.trace is None and data[0]._version != stored[i]:
                store.replace(i, data[0])
            stored[i] = data[0]._version

    def _allreduce_grads(self) -> None:
        if self._kvstore is None:
            return
        for i, parameter in enumerate(self._params):
            if parameter.grad_req != "null":
                self._kvstore.pushpull(i, parameter._gradients(), priority=-i)

    def _update(self, batch_size: float, ignore_stale_grad: bool) -> None:
        if isinstance(batch_size, str | list | tuple | NoneType):
            raise ParameterError(
                f"step: gradients are divided by batch_size, a number, not {in_a_line(batch_size)}"
            )
        if isinstance(batch_size, int | float) and not batch_size > 0:
            raise ParameterError(
                f"step: gradients are divided by batch_size, which must be positive, not {batch_size}"
            )
        todo = [i for i in self._order if self._params[i].grad_req != "null"]
        if state.trace is None:
            todo = self._without_stale(todo, warn=not ignore_stale_grad)
        with self._optimizer.dividing_by(batch_size):
            for i in todo:
                self._update_one(i, self._params[i])
        after_run(lambda: self._note_used(todo))

    def _note_used(self, indices: Iterable[int]) -> None:
        """Mark the current gradients of the parameters at `indices` as used."""
        for i in indices:
            gradient: Any = self._params[i]._grad[0]  # pyright: ignore[reportOptionalSubscript] - these have one
            self._used[i] = gradient, gradient._writes[0]

    def _is_used(self, i: int) -> bool:
        """Whether parameter i's gradient is stale, i.e. not written by `backward` since its last use."""
        gradient = self._params[i]._gradients()[0]
        used, version = self._used.get(i, (gradient, 0))
        return used is gradient and version == gradient._version

    def _update_one(self, i: int, parameter: Parameter) -> None:
        if self._update_on_kvstore and self._kvstore is not None:
            data = parameter._arrays()
            self._kvstore.pushpull(i, parameter._gradients(), out=data, priority=-i)
            if self._stored is not None:
                self._stored[i] = data[0]._version
            return
        first, *others = parameter.list_ctx()
        weight, grad = parameter._array_on(first), parameter._gradient_on(first)
        self._optimizer.update_multi_precision(i, weight, grad, self._updater.state(i, weight))
        for context in others:
            parameter._array_on(context)[:] = weight.as_in_context(context)

    def _without_stale(self, todo: list[int], warn: bool) -> list[int]:
        """The indices in `todo` of parameters whose gradients are not stale; with `warn`, warn of the others."""
        stale = [i for i in todo if self._is_used(i)]
        if stale and warn:
            names = ", ".join(f"'{self._params[i].name}'" for i in sorted(stale))
            warnings.warn(
                f"The gradients of {names} have not been written by backward since the last step, so these "
                "parameters are not updated. Was a part of the network left out? If that is intended, call "
                "step with ignore_stale_grad=True.",
                stacklevel=4,
            )
        return [i for i in todo if i not in stale]

    # --- saving ---------------------------------------------------------------------------------------------

    def save_states(self, fname: str | os.PathLike[str]) -> None:
        """Write the optimizer's states, update counts and learning rate to a safetensors file, atomically.

        The parameters themselves are saved by `Block.save_parameters`.
        """
        from lamina.support.files.tensors import save_tensors

        optimizer = self._optimizer
        counts = {str(i): n for i, n in optimizer._counts.items()}
        described = {"optimizer": type(optimizer).__name__, "update_counts": json.dumps(counts)}
        described |= {"num_update": str(optimizer.num_update), "learning_rate": repr(float(optimizer.lr))}
        described["parameters"] = str(len(self._params))
        save_tensors(fname, self._updater.named_states(), described)

    def load_states(self, fname: str | os.PathLike[str]) -> None:
        """Read a file written by `save_states` for the same parameters and optimizer class.

        After an error nothing is changed.

        Raises:
            DataError: the file is damaged, or belongs to another optimizer or network.
        """
        from lamina.support.files.tensors import load_tensors

        source = os.fspath(fname)
        loaded, described = load_tensors(fname)
        counts, num_update, rate = self._check_described(described, source)
        other = next((name for name in loaded if not re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,9}", name)), None)
        if other is not None:
            raise DataError(f"{source} holds an array {excerpt(other)!r}, which is not a trainer's state")
        saved = {int(name.partition(".")[0]) for name in loaded} | {i for i, count in counts.items() if count}
        pairs = [pair for i in sorted(saved) for pair in self._state_pairs(i, loaded, source)]
        own = str(len(self._params))
        if (others := described.get("parameters", own)) != own:
            raise DataError(f"{source} is of {excerpt(others)} parameters, but the trainer has {own}")
        for x, values in pairs:
            x[:] = values
        for i in self._updater.states.keys() - saved:
            self._updater.reset(i, self._params[i]._arrays()[0])
        self._optimizer._counts.clear()
        self._optimizer._counts.update(counts)
        self._optimizer.num_update = num_update
        if rate is not None and self._optimizer.lr_scheduler is None:
            self._optimizer.set_learning_rate(rate)

    def _state_pairs(
        self, i: int, loaded: Mapping[str, np.ndarray], source: str
    ) -> list[tuple[NDArray, np.ndarray]]:
        """Pair each array of parameter i's state with its values in the file."""
        if i >= len(self._params):
            raise DataError(
                f"{source} has a state for parameter {i}, but the trainer has only {len(self._params)}"
            )
        parameter = self._params[i]
        pairs: list[tuple[NDArray, np.ndarray]] = []
        for k, x in enumerate(arrays_in(self._updater.state(i, parameter._arrays()[0]))):
            values = loaded.get(f"{i}.{k}")
            if values is None or values.shape != x.shape:
                found = "nothing" if values is None else f"shape {values.shape}"
                raise DataError(
                    f"{source}: state {k} of '{parameter.name}' should have shape {x.shape}, found {found}"
                )
            pairs.append((x, values))
        return pairs

    def _check_described(
        self, described: Mapping[str, str], source: str
    ) -> tuple[dict[int, int], int, float | None]:
        """The checked update counts and learning rate from a file's metadata."""
        from lamina.support.files.typed_json import Count, decoded

        kind, found = type(self._optimizer).__name__, described.get("optimizer")
        if found != kind:
            raise DataError(
                f"{source} holds states of {excerpt(found or 'no optimizer')}, but the optimizer is {kind}"
            )
        what = f"{source} does not hold a trainer's states"
        counts = decoded(described.get("update_counts", ""), dict[Count, Count], what)
        updates: Any = Count  # the type checker does not accept an alias as a type
        rate = described.get("learning_rate")
        number = decoded(described.get("num_update", ""), updates, what)
        return counts, number, None if rate is None else decoded(rate, float, what)


def _distinct(params: Any) -> list[Parameter]:
    """The parameters in order, without duplicates."""
    listed = list(params.values()) if isinstance(params, ParameterDict | Mapping) else params
    if not isinstance(listed, list | tuple) or not all(isinstance(p, Parameter) for p in listed):
        raise ParameterError(
            f"Trainer needs a list or dictionary of Parameters, such as net.collect_params(), not {params!r}"
        )
    return list({id(p): p for p in listed}.values())


def _optimizer(optimizer: str | Optimizer, arguments: Mapping[str, Any] | None) -> Optimizer:
    if isinstance(optimizer, Optimizer):
        if arguments:
            raise ParameterError("optimizer_params is for an optimizer given by name, not for an object")
        return optimizer
    if arguments is not None and not isinstance(arguments, Mapping):
        raise ParameterError(f"optimizer_params is a dict of settings, as in {_AS_DICT}; not {arguments!r}")
    return create(optimizer, **(arguments or {}))
