"""`Updater`, a function that updates parameters with an optimizer and stores the optimizer's states."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from lamina.core.state import concrete
from lamina.errors import DataError
from lamina.nd.conversion import array
from lamina.nd.facade import mapped, plain
from lamina.nd.ndarray import NDArray
from lamina.optimizer.optimizer import Optimizer


class Updater:
    """A function ``updater(index, gradient, weight)`` that applies an optimizer, storing the optimizer's states.

    >>> from lamina import nd, optimizer
    >>> update = get_updater(optimizer.create("sgd", learning_rate=0.5, momentum=0.9))
    >>> w = nd.array([1.0])
    >>> update(0, nd.array([1.0]), w)
    >>> w.asnumpy(), list(update.states)
    (array([0.5], dtype=float32), [0])
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.states: dict[Any, Any] = {}
        self._loaded: dict[Any, list[np.ndarray]] = {}

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        """Update a parameter; lists of indices, gradients and weights update several parameters."""
        if not isinstance(index, list | tuple):
            index, grad, weight = [index], [grad], [weight]
        for i, g, w in zip(index, mapped(grad, plain), mapped(weight, plain), strict=True):
            self.optimizer.update_multi_precision(i, w, g, self.state(i, w))

    def state(self, index: Any, weight: NDArray) -> Any:
        """The state of a parameter, created at its first update."""
        if index not in self.states:
            with concrete():
                self.states[index] = self.optimizer.create_state_multi_precision(index, weight)
                self._restore(index)
        return self.states[index]

    def reset(self, index: Any, weight: NDArray) -> None:
        """Write the initial values into a parameter's state."""
        with concrete():
            initial = self.optimizer.create_state_multi_precision(index, weight)
        for x, values in zip(arrays_in(self.states[index]), arrays_in(initial), strict=True):
            x[:] = values

    def _restore(self, index: Any) -> None:
        """Write the state that `set_states` loaded, if any, into the newly created state."""
        saved = self._loaded.pop(index, None)
        if saved is None:
            return
        arrays = list(arrays_in(self.states[index]))
        if [x.shape for x in arrays] != [values.shape for values in saved]:
            raise DataError(
                f"the states of parameter {index!r} have shapes {[values.shape for values in saved]}; "
                f"{type(self.optimizer).__name__} needs {[x.shape for x in arrays]}"
            )
        for x, values in zip(arrays, saved, strict=True):
            x[:] = array(values, dtype=values.dtype, ctx=x.context)

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """The states and update counts as bytes for `set_states`, with `dump_optimizer` also the learning rate."""
        named: dict[str, Any] = {}
        for index, state in self.states.items():
            for k, x in enumerate(arrays_in(state)):
                named[f"{json.dumps(index)}.{k}"] = x.asnumpy()
        counts, number = list(self.optimizer._counts.items()), self.optimizer.num_update
        kind = type(self.optimizer).__name__
        settings: dict[str, Any] = {"optimizer": kind, "counts": counts, "num_update": number}
        if dump_optimizer:
            settings["lr"] = self.optimizer.lr
        buffer = io.BytesIO()
        np.savez(buffer, **{_SETTINGS: np.frombuffer(json.dumps(settings).encode(), np.uint8)}, **named)
        return buffer.getvalue()

    def set_states(self, states: bytes) -> None:
        """Restore states from the bytes of `get_states`, for the same optimizer class.

        Raises:
            DataError: the bytes are not from `get_states` for this optimizer class.
        """
        try:
            with np.load(io.BytesIO(states), allow_pickle=False) as file:
                named = {name: file[name] for name in file.files}
            settings = json.loads(named.pop(_SETTINGS).tobytes())
            found: dict[Any, dict[int, np.ndarray]] = {}
            for name, values in named.items():
                index, _, k = name.rpartition(".")
                found.setdefault(json.loads(index), {})[int(k)] = values
            kind, lr = settings["optimizer"], settings.get("lr")
            counts, number = dict(settings["counts"]), int(settings["num_update"])
        except Exception as error:
            raise DataError(
                f"these bytes are not an optimizer's states: {str(error).partition(chr(10))[0][:200]}"
            ) from error
        if kind != type(self.optimizer).__name__:
            raise DataError(
                f"these are states of {kind!r:.40}, and the optimizer is {type(self.optimizer).__name__}"
            )
        self._loaded = {index: [parts[k] for k in sorted(parts)] for index, parts in found.items()}
        for index in list(self.states):
            self._restore(index)
        self.optimizer._counts.update(counts)
        self.optimizer.num_update = number
        if lr is not None and self.optimizer.lr_scheduler is None:
            self.optimizer.set_learning_rate(lr)


_SETTINGS = "settings"


def get_updater(optimizer: Optimizer) -> Updater:
    """Create an `Updater` for this optimizer."""
    return Updater(optimizer)


def arrays_in(values: Any) -> Iterator[NDArray]:
    """The arrays in an optimizer's state, which is None, an array, or nested tuples of arrays."""
    if isinstance(values, NDArray):
        yield values
    elif values is not None:
        for value in values:
            yield from arrays_in(value)
