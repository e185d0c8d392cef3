"""`Optimizer`, the base class of optimizers, and `Updater`, which applies one and stores its states."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np

from lamina.core.state import call_each_step, concrete, state
from lamina.errors import DataError, ParameterError, TraceError
from lamina.nd import NDArray, array, clip, zeros_like
from lamina.nd.facade import mapped, plain
from lamina.optimizer.lr_scheduler import LRScheduler
from lamina.support.argument_checks import PlainNumbers, answering, check_numbers
from lamina.support.foreign_names import OPTIMIZERS_ARGUMENTS
from lamina.support.messages import warn
from lamina.support.registry import Registry

__all__ = ["Optimizer", "ScheduledRateError", "State", "Stepped", "clipped", "create", "register", "write"]

State = tuple[NDArray, ...]
"""An optimizer's state for a parameter, arrays with the parameter's shape."""

Stepped = tuple[NDArray, State]
"""The result of a pure step function, the new weight and the new state."""


@answering(OPTIMIZERS_ARGUMENTS)
class Optimizer(PlainNumbers):
    """A base class of optimizers, which compute a parameter's next value from its gradient and a state.

    A subclass defines `create_state` and `update` with operators of `lamina.nd`, and writes its results in place
    (``weight[:] = …``, or `write` for the result of a pure function). Such an optimizer works in eager and in compiled
    steps. In a compiled step, numbers that change from step to step must come from `_step_size` (the learning rate,
    with factors and schedule) or `_each_step`. All other settings (`wd`, `rescale_grad`, `clip_gradient`, betas …) are
    constants of a compiled step; changing them later is an error.

    An optimizer written for MXNet, with `_update_count`, `_get_lr`, `_get_wd` and `_index_update_count`, works, too. If
    the optimizer uses `_index_update_count`, its steps cannot be compiled.

    Every optimizer rescales and clips the gradient and adds the weight decay, some before clipping, as in MXNet.

    Args:
        rescale_grad: a factor on every gradient; `Trainer.step` sets it to 1 / batch_size.
        param_idx2name: the names of parameters by index. With names, only parameters whose names end in ``_weight`` or
            ``_gamma`` get weight decay.
        wd: the weight decay λ, which adds λ·w to the gradient.
        clip_gradient: the limit on the absolute value of each gradient element. None, 0 or a negative number means no
            limit.
        learning_rate: the rate, by default the optimizer's own (as Adam's 0.001), or if it has none the scheduler's
            `base_lr`, or 0.01.
        lr_scheduler: a function that computes the rate from the number of updates. `learning_rate`, unless None,
            becomes its `base_lr`.
        begin_num_update: the initial number of updates.
        sym: a `Symbol` whose variables' attributes ``__lr_mult__`` and ``__wd_mult__`` are factors on the rate and the
            decay of parameters with the same names.
        multi_precision: whether float16 parameters are updated through a float32 copy in the state.
        param_dict: parameters by index; their `lr_mult` and `wd_mult` are factors on the rate and the decay.

    >>> from lamina import nd, optimizer
    >>> class SignDescent(optimizer.Optimizer):
    ...     def create_state(self, index, weight):
    ...         return ()
    ...     def update(self, index, weight, grad, state):
    ...         weight[:] = weight - self._step_size(index) * nd.sign(grad)
    >>> weight = nd.array([1.0, 2.0])
    >>> SignDescent(learning_rate=0.5).update(0, weight, nd.array([3.0, -0.1]), ())
    >>> weight.asnumpy()
    array([0.5, 2.5], dtype=float32)
    """

    default_learning_rate: ClassVar[float | None] = None

    def __init__(
        self,
        rescale_grad: float = 1.0,
        param_idx2name: Mapping[int, str] | None = None,
        wd: float = 0.0,
        clip_gradient: float | None = None,
        learning_rate: float | None = None,
        lr_scheduler: LRScheduler | None = None,
        sym: Any = None,
        begin_num_update: int = 0,
        multi_precision: bool = False,
        param_dict: Mapping[int, Any] | None = None,
    ) -> None:
        numbers = {"rescale_grad": rescale_grad, "wd": wd, "begin_num_update": begin_num_update}
        optional = {"learning_rate": learning_rate, "clip_gradient": clip_gradient}
        check_numbers(**numbers, **{name: x for name, x in optional.items() if x is not None})
        if lr_scheduler is not None and not callable(lr_scheduler):
            raise ParameterError(
                f"lr_scheduler must be a function of the number of updates, not {lr_scheduler!r}"
            )
        self.rescale_grad = rescale_grad
        self._own_rescale_grad: float | None = None  # the undivided `rescale_grad`, inside `dividing_by`
        self.wd = wd
        self.clip_gradient = clip_gradient
        self.lr_scheduler = lr_scheduler
        if learning_rate is None:
            learning_rate = self.default_learning_rate
        if learning_rate is None:
            learning_rate = float(getattr(lr_scheduler, "base_lr", 0.01))  # not of any function
        elif lr_scheduler is not None and getattr(lr_scheduler, "base_lr", learning_rate) != learning_rate:
            base = lr_scheduler.base_lr
            warn(
                "learning rate from ``lr_scheduler`` has been overwritten by ``learning_rate`` in optimizer: "
                f"{learning_rate} instead of {base}. Pass learning_rate={base} to keep it"
            )
            lr_scheduler.base_lr = learning_rate
        self.lr = learning_rate
        self.begin_num_update = self.num_update = begin_num_update
        self._counts: dict[int, int] = {}
        self.idx2name = dict(param_idx2name or {})
        self.param_dict: dict[int, Any] = dict(param_dict or {})
        self.multi_precision = bool(multi_precision)
        self.sym_info = () if sym is None else (sym.attr_dict(), sym.list_arguments())
        self.lr_mult: dict[int | str, float] = {}
        self.wd_mult: dict[int | str, float] = {}
        self.set_lr_mult({})
        self.set_wd_mult({})

    # --- methods that a subclass defines -------------------------------------------------------------------------

    def create_state(self, index: int, weight: NDArray) -> Any:
        """Create the optimizer's state for a parameter: None, an array, or a tuple of arrays."""
        return None

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Update a parameter, writing the new values into `weight` and `state`."""
        raise TypeError(f"{type(self).__name__} must override update")

    def create_state_multi_precision(self, index: int, weight: NDArray) -> Any:
        """Create the optimizer's state for a parameter.

        For a float16 weight with `multi_precision`, the state is a float32 copy of the weight and the copy's state.
        """
        if np.dtype(weight.dtype) != np.float16:
            return self.create_state(index, weight)
        if not self.multi_precision:
            warn(
                "Accumulating with float16 in optimizer can lead to poor accuracy or slow convergence. Consider using "
                "multi_precision=True option of the optimizer"
            )
            return self.create_state(index, weight)
        master = weight.astype(np.float32)
        return master, self.create_state(index, master)

    def update_multi_precision(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Update a parameter with a state from `create_state_multi_precision`."""
        if not self.multi_precision or np.dtype(weight.dtype) != np.float16:
            self.update(index, weight, grad, state)
            return
        master, own = state
        self.update(index, master, grad.astype(np.float32), own)
        weight[:] = master.astype(np.float16)

    @staticmethod
    def register(klass: type[Optimizer]) -> type[Optimizer]:
        """Register an optimizer, like the function `register` (MXNet's older form)."""
        return register(klass)

    @staticmethod
    def create_optimizer(name: str, **kwargs: Any) -> Optimizer:
        """Create an optimizer, like the function `create` (MXNet's older form)."""
        return create(name, **kwargs)

    # --- settings ------------------------------------------------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        return self.lr if self.lr_scheduler is None else self.lr_scheduler(self.num_update)

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate; raises `ScheduledRateError` if a scheduler determines it."""
        if self.lr_scheduler is not None:
            raise ScheduledRateError(
                f"the learning rate follows a {type(self.lr_scheduler).__name__}, so it can't be set; "
                "set the scheduler's base_lr, or make the optimizer without lr_scheduler"
            )
        check_numbers(learning_rate=lr)
        self.lr = lr

    def set_lr_mult(self, args_lr_mult: Mapping[Any, float]) -> None:
        """Set factors on the learning rate, by the parameters' names or indices."""
        self.lr_mult = {**self._of_symbol("__lr_mult__"), **dict(args_lr_mult)}

    def set_wd_mult(self, args_wd_mult: Mapping[Any, float]) -> None:
        """Set factors on the weight decay, by the parameters' names or indices."""
        undecayed = (n for n in self.idx2name.values() if not n.endswith(("_weight", "_gamma")))
        self.wd_mult = dict.fromkeys(undecayed, 0.0) | self._of_symbol("__wd_mult__") | dict(args_wd_mult)

    def _of_symbol(self, key: str) -> dict[str, float]:
        """The factors in the attribute `key` of the symbol's variables, by variable name."""
        if not self.sym_info:
            return {}
        attributes, names = self.sym_info
        return {name: float(attributes[name][key]) for name in names if key in attributes.get(name, {})}

    @contextmanager
    def dividing_by(self, batch_size: float) -> Generator[None]:
        """A context in which `rescale_grad` is divided by `batch_size`."""
        own = self.rescale_grad
        self.rescale_grad, self._own_rescale_grad = own / batch_size, own
        try:
            yield
        finally:
            self.rescale_grad, self._own_rescale_grad = own, None

    # --- numbers for a step, under the names of MXNet's optimizers -----------------------------------------------

    @property
    def _index_update_count(self) -> dict[int, int]:
        """The number of updates of each parameter so far."""
        if state.trace is not None:
            raise TraceError(
                f"{type(self).__name__}: the number of updates changes from step to step, so a compiled step cannot "
                "keep it; use self._step_size(index, lambda t: …), or self._each_step(index, lambda t: …)"
            )
        return self._counts

    def _count(self, index: int) -> int:
        """Count an update of this parameter and return its number, from 1 on; must not be called while tracing."""
        count = self._counts.get(index, self.begin_num_update) + 1
        self._counts[index] = count
        if count > self.num_update:  # noqa: PLR1730 - setting the attribute takes longer than the rest
            self.num_update = count
        return count

    def _update_count(self, index: int) -> None:
        """Count an update of this parameter, for optimizers that do not call `_step_size` (which counts it, too)."""
        call_each_step(lambda: self._count(index), integer=True)

    def _get_lr(self, index: int) -> float:
        return self._now(index, lambda: self._lr(index))

    def _lr(self, index: int) -> float:
        return self.learning_rate * self._multiplier(index, "lr_mult", self.lr_mult)

    def _rate(self, index: int) -> float:
        """The rate of a step, by `_get_lr` if a program's subclass overrides it."""
        return self._lr(index) if type(self)._get_lr is Optimizer._get_lr else self._get_lr(index)

    def _get_wd(self, index: int) -> float:
        return self.wd * self._multiplier(index, "wd_mult", self.wd_mult)

    def _multiplier(self, index: int, name: str, by_hand: Mapping[Any, float]) -> float:
        if index in self.param_dict:
            return getattr(self.param_dict[index], name)
        if index in by_hand:
            return by_hand[index]
        return by_hand.get(self.idx2name.get(index), 1.0)

    def _step_size(self, index: int, correction: Callable[[int], float] | None = None) -> float:
        """Count this update and return its learning rate, times ``correction(number of the update)`` if not None.

        Each `update` calls this method once, before any `_each_step`. A compiled step gets a new value at each call.
        """

        def size() -> float:
            t = self._count(index)
            return self._rate(index) if correction is None else self._rate(index) * correction(t)

        return self._now(index, size)

    def _now(self, index: int, number: Callable[[], float]) -> float:
        """The value of ``number()``, which a compiled step computes anew at each call.

        That computation raises an error if a setting has changed since compilation.
        """
        return number() if state.trace is None else call_each_step(self._if_unchanged(index, number))

    def _each_step(self, index: int, function: Callable[[int], float]) -> float:
        """The value of ``function(number of the update)``, which changes with each update."""
        return call_each_step(lambda: function(self._counts[index]))

    def _if_unchanged(self, index: int, size: Callable[[], float]) -> Callable[[], float]:
        """A function like `size`, which raises an error if a setting has changed since compilation."""
        names, compiled = zip(*self._settings(), strict=True)
        read, decay = attrgetter(*names), self._get_wd(index)

        def checked() -> float:
            if (now := read(self)) != compiled:
                changed = next(i for i, value in enumerate(compiled) if value != now[i])
                raise self._changed(names[changed], compiled[changed], now[changed])
            if self.wd and self._get_wd(index) != decay:
                raise self._changed("wd (times wd_mult)", decay, self._get_wd(index))
            return size()

        return checked

    def _settings(self) -> list[tuple[str, Any]]:
        """The settings that are constants of a compiled step, as pairs of name and value."""
        numbers = {k: v for k, v in vars(self).items() if isinstance(v, int | float | None)}
        own = numbers.pop("_own_rescale_grad")
        if own is not None:
            numbers["rescale_grad"] = own
        return [(name, value) for name, value in numbers.items() if name not in _READ_ANEW]

    def _changed(self, name: str, before: Any, now: Any) -> ParameterError:
        return ParameterError(
            f"{type(self).__name__}.{name} was {before} when the step was compiled and is {now} now; "
            "a compiled step keeps it, so apply lamina.compile to the function anew"
        )

    # --- gradients -----------------------------------------------------------------------------------------------

    def _rescaled(self, grad: NDArray) -> NDArray:
        """The gradient after rescaling and clipping."""
        scale = self.rescale_grad
        g = grad if isinstance(scale, int | float) and scale == 1.0 else grad * scale
        return clipped(g, self.clip_gradient)

    def _prepared(self, index: int, weight: NDArray, grad: NDArray) -> NDArray:
        """The gradient after rescaling, clipping and adding the weight decay, in this order."""
        wd = self._get_wd(index)
        return self._rescaled(grad) + wd * weight if wd else self._rescaled(grad)

    def _decayed(self, index: int, weight: NDArray, grad: NDArray) -> NDArray:
        """The gradient after rescaling, adding the weight decay and clipping, in this order, as in MXNet's Adam."""
        wd = self._get_wd(index)
        if not wd or self.clip_gradient is None:
            return self._prepared(index, weight, grad)
        g = grad * self.rescale_grad + wd * weight
        return clipped(g, self.clip_gradient)

    def _moments(self, weight: NDArray, count: int) -> tuple[NDArray, ...]:
        """`count` arrays of zeros with the shape and dtype of the weight."""
        return tuple(zeros_like(weight) for _ in range(count))


class ScheduledRateError(ParameterError, UserWarning):
    """An error raised by setting a learning rate that a scheduler determines.

    As in MXNet, the error is also a `UserWarning`.
    """


def clipped(x: NDArray, bound: float | None) -> NDArray:
    """`x` clipped to ±`bound`, or unchanged if `bound` is None, 0 or negative."""
    return clip(x, -bound, bound) if bound is not None and bound > 0 else x


def write(weight: NDArray, state: State, stepped: Stepped) -> None:
    """Write `stepped`, a pure function's new weight and state, into `weight` and `state`."""
    new, values = stepped
    for x, value in zip(state, values, strict=True):
        x[:] = value
    weight[:] = new


_READ_ANEW = frozenset({"begin_num_update", "lr", "lr_scheduler", "num_update"})

optimizers = Registry[Optimizer]("optimizer", Optimizer, OPTIMIZERS_ARGUMENTS)


def register(klass: type[Optimizer]) -> type[Optimizer]:
    """A decorator that registers an optimizer for `create` under its class's name.

    >>> @register
    ... class Still(Optimizer):
    ...     def update(self, index, weight, grad, state):
    ...         pass
    >>> create("still").learning_rate
    0.01
    """
    return optimizers.register()(klass)


def create(name: str | Optimizer, **kwargs: Any) -> Optimizer:
    """Create the optimizer called `name` (case-insensitive) with the arguments `kwargs`.

    >>> create("adam", learning_rate=0.1).learning_rate
    0.1
    >>> create("adm")
    Traceback (most recent call last):
    ValueError: unknown optimizer 'adm'. Did you mean 'adam'? Known: ...
    """
    return optimizers.create(name, **kwargs)


# --- updaters ---------------------------------------------------------------------------------------------------------
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

    def named_states(self) -> dict[str, np.ndarray]:
        """The arrays of all states as ``index.k``, for files; the index is written as JSON."""
        return {
            f"{json.dumps(index)}.{k}": x.asnumpy()
            for index, held in self.states.items()
            for k, x in enumerate(arrays_in(held))
        }

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """The states as bytes for `set_states`, with `dump_optimizer` also the update counts and the learning rate.

        Without `dump_optimizer`, an optimizer counts from its `begin_num_update` on, as in MXNet.
        """
        made = self.optimizer
        settings: dict[str, Any] = {"optimizer": type(made).__name__}
        if dump_optimizer:
            settings |= {"counts": list(made._counts.items()), "num_update": made.num_update, "lr": made.lr}
        written = np.frombuffer(json.dumps(settings).encode(), np.uint8)
        arrays: dict[str, Any] = {_SETTINGS: written, **self.named_states()}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
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
            counts, number = dict(settings.get("counts", ())), settings.get("num_update")
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
        if number is not None:
            self.optimizer.num_update = int(number)
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
