"""`CompiledFunction`, the result of `lamina.compile`, which creates and keeps its specializations."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import math
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import numpy as np

from lamina.compiler import compilation_enabled
from lamina.compiler.front import _arguments as sorting
from lamina.compiler.front._arguments import Arguments, Call, NeedsValue
from lamina.compiler.front._capture import Capture, Captured, FoundOutside, context_of, on_device, tracing
from lamina.compiler.front._walk import Guards, StandsFor
from lamina.core.array import Array
from lamina.core.interrupts import compiling
from lamina.core.lowering import Overlap, Uncompilable
from lamina.core.precision import Precision
from lamina.core.state import state
from lamina.core.timings import timed
from lamina.errors import TraceError
from lamina.support import messages
from lamina.support.tracebacks import at_users_lines

_MAX_SPECIALIZATIONS = 64
_WARN_AT = 8
_RUNS_ONCE = (
    "is changed by the function, whose Python code runs only while it is compiled. "
    "Pass a number as an argument, write to an array in place (x[:] = …), or return the new value"
)
_PASS_IT = "pass the arrays and numbers that are read from it as arguments"

_Capture = tuple[Captured, list[int], dict[int, int]]
"""The capture, the input slots of the arguments, and the bytes that slots advance with each step."""


P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")


class CompiledFunction(StandsFor, Generic[P, R]):
    """A function compiled to machine code, called like the original one. See `lamina.compile`."""

    def __init__(
        self,
        function: Callable[P, R],
        keep_gradients: bool,
        precision: Precision = "float32",
        independent_rows: bool = False,
    ) -> None:
        functools.update_wrapper(self, function)
        self.original = function
        self._keep_gradients = keep_gradients
        self.precision: Precision = precision
        self.independent_rows = independent_rows
        self._entries: OrderedDict[Any, Any] = OrderedDict()
        self._fixed: frozenset[int] = frozenset()
        self._closure: frozenset[int] = frozenset()
        self._latest: tuple[sorting.Taker, Any, bool] = sorting.take_nothing, None, False  # of the last call
        self._eager: set[Any] = set()  # keys of `_entries` for which there is no compiled form
        self._lock = threading.RLock()
        self._name = str(getattr(function, "__name__", function))
        self._attribute = self._name
        self._where = _definition(function)
        self._compilations = 0
        self._replaced: str | None = None  # what had changed when a specialization was no longer valid
        self._former: Any = None  # the program of a specialization that only numbers in a buffer made invalid
        self._warned = False
        self._told: set[str] = set()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if state.runs_as_written:
            return self.original(*args, **kwargs)
        try:
            if state.recording:
                return self._run_recorded(args, kwargs)
            take, entry, training = self._latest
            taken = None if kwargs else take(args)
            if taken is not None and training is state.training and entry.is_valid():
                arrays, numbers = taken
            else:
                entry, arrays, numbers = self._find(args, kwargs)
            if entry is not None:
                return entry.run(arrays, numbers)
        except Overlap as overlap:
            self.run_eagerly_once(str(overlap))
        except Exception as error:
            raise error.with_traceback(at_users_lines(error))  # noqa: B904 - it is shown at the lines of the user
        return self.original(*args, **kwargs)

    def _run_recorded(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the Python function under ``record()``; its operators are compiled with the step around it, if deferred.

        That program rounds products as this function may, if all products of the step may be rounded so.
        """
        if state.queue is None and threading.current_thread() is not threading.main_thread():
            why = "is in a thread of its own; call record() inside"
            self._tell("autograd.record() around it", messages.user_location(), why)
        before = state.products
        try:
            state.products = self.precision, self.independent_rows
            return self.original(*args, **kwargs)
        finally:
            state.products = before

    def _find(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, Sequence[Array], Sequence[Any]]:
        """The specialization for a call, with the call's arrays and numbers; None if the call must run eagerly."""
        entry, arguments = self.specialize(Call(args, kwargs))
        if entry is not None and not kwargs:
            self._latest = sorting.taker(args, self._fixed, self._closure), entry, state.training
        return entry, arguments.arrays, arguments.numbers

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = name

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: CompiledFunction[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> CompiledFunction[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The compiled method of an object. After its first use, the method is stored in the object's ``__dict__``."""
        if instance is None:
            return self
        bound = CompiledFunction(self.original.__get__(instance, owner), **self._options)
        bound._attribute = self._attribute
        vars(instance)[self._attribute] = bound
        return bound

    def __reduce__(self) -> Any:
        """Pickle the function like a Python function, without machine code; it is compiled again after loading."""
        return reduced(self, self._attribute, self._options)

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "keep_gradients": self._keep_gradients,
            "precision": self.precision,
            "independent_rows": self.independent_rows,
        }

    def __copy__(self) -> CompiledFunction:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledFunction:
        owner = getattr(self.original, "__self__", None)
        return self if owner is None else getattr(copy.deepcopy(owner, memo), self._attribute)

    def run_batches(
        self, indices: Any, *args: Any, progress: Callable[[int, int], None] | None = None, **kwargs: Any
    ) -> Any:
        """Run the function over many batches without Python between the batches.

        `indices` is an integer matrix (steps, batch). Step s gets rows ``indices[s]`` of every array argument (taken
        along its first axis, inside the kernels), and all number arguments unchanged. Returns the results of all steps,
        stacked along a new first axis. `progress(done, steps)` is called about 25 times a second. Ctrl-C stops the loop
        within the same time, and keeps the effect of the completed steps.

        >>> import lamina, numpy as np
        >>> from lamina import nd
        >>> @lamina.compile
        ... def total(x):
        ...     return nd.sum(x)
        >>> total.run_batches(np.array([[0, 1], [2, 2]]), nd.array([1, 2, 3])).asnumpy().ravel()
        array([3., 6.], dtype=float32)
        """
        from lamina.compiler.front.batches import run_batches

        try:
            return run_batches(self, indices, args, kwargs, progress)
        except Exception as error:
            raise error.with_traceback(at_users_lines(error))  # noqa: B904 - it is shown at the lines of the user

    def run_stacks(self, stacks: Sequence[Array], numbers: Sequence[Sequence[float]], *arrays: Array) -> Any:
        """Run the function once for each item of `numbers`, without Python between the steps.

        Step s is ``function(*[x[s] for x in stacks], *numbers[s], *arrays)``; stacks may be longer. The function may
        write to their items. Returns the results of all steps, stacked along a new first axis.

        Raises:
            ShapeError: there is no step, a stack has fewer items, or steps differ in their number of `numbers`.
            TypeError: a stack is not an NDArray.
            AutogradError: called inside ``autograd.record()``.

        >>> import lamina
        >>> from lamina import nd
        >>> @lamina.compile
        ... def scaled(x, factor):
        ...     return factor * nd.sum(x)
        >>> scaled.run_stacks([nd.array([[1, 2], [3, 4]])], [(1.0,), (10.0,)]).asnumpy().ravel()
        array([ 3., 70.], dtype=float32)
        """
        from lamina.compiler.front.batches import run_stacks

        try:
            return run_stacks(self, stacks, numbers, arrays)
        except Exception as error:
            raise error.with_traceback(at_users_lines(error))  # noqa: B904 - it is shown at the lines of the user

    def explain(self) -> str:
        """Describe the last executed specialization: each kernel's formula, size, and measured time."""
        if not self._entries:
            return messages.Shown("not compiled yet: call the function first")
        return messages.Shown(next(reversed(self._entries.values())).explain())

    # --- specializations -----------------------------------------------------------------------------------------

    def specialize(self, call: Call) -> tuple[Any, Arguments]:
        """The specialization for a call, compiled if necessary (None: run eagerly), and the sorted arguments."""
        if state.runs_as_written:
            return None, self._sorted_arguments(call)[0]
        known = self._known(call)
        if known is not None:
            return known
        with timed("compiling"), compiling(), self._lock:  # another thread may have compiled it meanwhile
            return self._known(call) or self._compile(call)

    def _known(self, call: Call) -> tuple[Any, Arguments] | None:
        """The existing specialization for a call, with the sorted arguments; None if something must be compiled."""
        taken, key = self._sorted_arguments(call)
        entry = self._entries.get(key)
        if entry is not None:
            if entry.is_valid():
                return entry, taken
            self._replaced = entry.guards.changed()
            self._former = entry.program if entry.guards.only_contents_changed() else None
        if key in self._eager or not compilation_enabled():
            return None, taken
        return None

    def _sorted_arguments(self, call: Call) -> tuple[Arguments, Any]:
        """The arguments of a call, sorted by kind, and the call's key among the specializations."""
        taken = Arguments(call.values, self._fixed, self._closure)
        return taken, (taken.key, call.names, call.batch, call.moving, state.training)

    def _compile(self, call: Call) -> tuple[Any, Arguments]:
        from lamina.compiler.front._specialization import Specialization

        while True:
            taken, key = self._sorted_arguments(call)
            try:
                (captured, slots, rows), guards = self._capture_guarded(call, taken)
                guards.complete(captured.arrays, captured.with_leaves)
                self._closure = self._found_outside() | guards.arrays
                taken, key = self._sorted_arguments(call)
                entry = Specialization(captured, slots, guards, rows)
            except NeedsValue as need:
                self._fixed |= {int(need.argument)}
                continue
            except FoundOutside as found:
                self._closure |= found.ids
                continue
            except Uncompilable as reason:
                self._stay_eager(key, reason)
                return None, taken
            self._compilations += entry.program is not self._former
            self._former = None
            self._entries[key] = entry
            self._limit()
            return entry, taken

    def _capture_guarded(self, call: Call, taken: Arguments) -> tuple[_Capture, Guards]:
        """Capture the function, and guard the objects that it finds outside.

        Compiled code would not repeat changes that the function makes to objects outside. If only the first capture
        makes such a change, like an initialization, the second capture is used. If every capture makes one, like a
        counter, the function must run eagerly.
        """
        first = self._guards(call, taken)
        changed = None
        try:
            captured = self._capture(call, taken)
            changed = first.changed()
            if changed is None:
                return captured, first
            second = self._guards(call, taken)
            captured = self._capture(call, taken)
            if second.changed() is None:
                return captured, second
            raise Uncompilable(changed, _RUNS_ONCE, self._where)
        except BaseException as error:
            first.undo()
            if changed is not None and isinstance(error, TraceError):  # it kept an array of the first capture
                raise Uncompilable(changed, _RUNS_ONCE, self._where) from None
            raise

    def _guards(self, call: Call, taken: Arguments) -> Guards:
        guards = Guards(self.original, taken.others)
        if guards.asks_for_types:
            for i, value in enumerate(call.values):
                if i not in self._fixed and Arguments([value], frozenset(), frozenset()).numbers:
                    raise NeedsValue(str(i))
        for label, kind in guards.opaque:
            raise Uncompilable(label, f"is a {kind}, whose changes can't be noticed; {_PASS_IT}", self._where)
        return guards

    def _found_outside(self) -> frozenset[int]:
        """The ids of the arrays that valid specializations found outside."""
        return frozenset[int]().union(*(e.guards.arrays for e in self._entries.values() if e.is_valid()))

    def _capture(self, call: Call, taken: Arguments) -> _Capture:
        """Run the function once on symbolic arrays."""
        is_stacked = call.batch is not None or call.moving > 0
        products = self.precision, self.independent_rows
        capture = Capture(self._keep_gradients, stacked=is_stacked, products=products)
        rows: dict[int, int] = {}
        with tracing(capture):
            index = None
            if call.batch is not None:
                index = on_device(np.zeros(call.batch, np.int32), context_of(taken.arrays))
                capture.declare(index)
                rows[0] = call.batch * index._data.dtype.itemsize
            arguments = self.traced(capture, call, index)
            before = sorting.contents(arguments)
            result = call.of_function(self.original, arguments)
            if before != sorting.contents(arguments):
                raise Uncompilable("a list or dictionary among its arguments", _RUNS_ONCE, self._where)
            captured = capture.finish(result)
        new = capture.finds_outside(taken.arrays) - self._closure
        if new:
            raise FoundOutside(new)
        slots = [capture.slot_of(x) for x in ([index] if index is not None else []) + taken.arrays]
        for x in taken.arrays[: call.moving]:
            rows[capture.slot_of(x)] = math.prod(x.shape) * x._dtype.itemsize
        return captured, slots, rows

    def traced(self, capture: Capture, call: Call, index: Array | None = None) -> list[Any]:
        """The symbolic arguments of a capture; with `index`, only the rows of the arrays that `index` selects."""
        numbers = itertools.count()

        def on_array(array: Array) -> Any:
            given = capture.argument(array, is_outside=id(array) in self._closure)
            return given if index is None else capture.rows(given, index)

        def number(position: int) -> Callable[[Any], Any]:
            def on_number(value: Any) -> Any:
                if position in self._fixed:
                    return value
                dtype = np.dtype(np.int64 if isinstance(value, int | np.integer) else np.float64)
                return capture.number(next(numbers), dtype, str(position))

            return on_number

        return [sorting.rebuild(value, on_array, number(i)) for i, value in enumerate(call.values)]

    def _limit(self) -> None:
        """Limit the memory of specializations and of their arguments, and warn once if arguments keep changing."""
        for entry in list(self._entries.values())[:-1]:
            entry.forget_arguments()
        if len(self._entries) > _MAX_SPECIALIZATIONS:
            self._entries.popitem(last=False)
        if self._compilations < _WARN_AT or self._warned:
            return
        self._warned = True
        names = self._changing_arguments()
        _warn(
            f"{self._name} was compiled {self._compilations} times; {names}. "
            "Pad batches to few sizes, pass changing numbers as plain arguments, and change parameters in place."
        )

    def _changing_arguments(self) -> str:
        """A clause for a warning that names the arguments in which the specializations differ."""
        keys = [key[0] for key in self._entries]
        length = min(len(k) for k in keys)
        changing = [i for i in range(length) if len({k[i] for k in keys}) > 1]
        if not changing:
            return f"an object outside it keeps being replaced ({self._replaced or 'a parameter'})"
        known = _parameter_names(self.original)
        names = [known[i] if i < len(known) else f"argument {i}" for i in changing]
        return f"these arguments keep changing: {', '.join(names)}"

    # --- what runs eagerly ---------------------------------------------------------------------------------------

    def _stay_eager(self, key: Any, reason: Uncompilable) -> None:
        """Run calls with this key eagerly from now on; warn once about each reason."""
        self._eager.add(key)
        self._tell(reason.what, reason.location, reason.why)

    def _tell(self, what: str, location: str, why: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _warn(f"{self._name} runs eagerly, since {what} ({location}) {why}")

    def run_eagerly_once(self, reason: str) -> None:
        _warn(f"this call of {self._name} runs eagerly: {reason}")


class Counterpart(CompiledFunction[P, R]):
    """A compiled function that runs another one's program: it differs only in the objects that it finds outside.

    Args:
        function: the function.
        first: the other one, which is captured.
        counterparts: returns the function's array for the id of each array that `first` finds outside, and likewise the
            objects whose methods give numbers to `call_each_step`. Other numbers are those of `first`.

    >>> import lamina
    >>> from lamina import nd
    >>> one, two = nd.ones(2), nd.ones(2) * 2
    >>> plus_one = lamina.compile(lambda x: x + one)
    >>> plus_two = Counterpart(lambda x: x + two, plus_one, lambda: ({id(one): two}, {}))
    >>> plus_two(nd.zeros(2)).asnumpy()
    array([2., 2.], dtype=float32)
    """

    def __init__(
        self,
        function: Callable[P, R],
        first: CompiledFunction[..., Any],
        counterparts: Callable[[], tuple[Mapping[int, Array], Mapping[int, object]]],
    ) -> None:
        super().__init__(function, **first._options)
        self._first, self._counterparts = first, counterparts

    def specialize(self, call: Call) -> tuple[Any, Arguments]:
        """The counterpart of the other function's specialization."""
        entry, taken = self._first.specialize(call)
        self._fixed, self._closure = self._first._fixed, self._first._closure  # for `_latest`
        if entry is None or any(
            id(x) in self._closure for x in taken.arrays
        ):  # the program would read its own
            return None, taken
        with self._first._lock:
            return entry.counterpart(self, self._counterparts), taken


def _warn(message: str) -> None:
    messages.warn(f"lamina.compile: {message}")


def _definition(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return "?" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


# --- Pickling of compiled functions: like Python functions with the same pickler, and without machine code -----------
#
# `pickle` saves a function by name. cloudpickle, which joblib's processes, Dask and Ray use, saves functions of
# `__main__`, closures and lambdas by value, with everything they read; a compiled function is then compiled again
# where it is loaded.


def reduced(compiled: Any, attribute: str, options: dict[str, Any]) -> Any:
    """The return value of ``compiled.__reduce__``.

    A method is pickled as an attribute of its object. Another function is pickled by name, or by value if its name
    doesn't lead to it. `options` are those of `lamina.compile`.
    """
    original = compiled.original
    owner = getattr(original, "__self__", None)
    if owner is not None:
        return getattr, (owner, attribute)
    module, name = str(getattr(compiled, "__module__", "")), str(getattr(compiled, "__qualname__", ""))
    if _found(module, name) is not compiled:
        return _compiled, (original, options)
    if module != "__main__":
        return name
    # pickle sends a method as its object and the function's name, cloudpickle as its object and the function.
    return _arrived, (MethodType(original, _Place(module, name)), options)


class _Place:
    """A function's place, module and dotted name, as pickle's object of a method: each attribute is the function."""

    def __init__(self, module: str, name: str) -> None:
        self.place = module, name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        found = _found(*self.place)
        if found is None:
            raise AttributeError(
                f"can't unpickle a compiled function: module {self.place[0]!r} has no {self.place[1]!r}"
            )
        return found

    def __reduce__(self) -> Any:
        return _Place, self.place


def _found(module: str, name: str) -> Any:
    """The object in a module under a dotted name; None if it is missing."""
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _arrived(found: Any, options: dict[str, Any]) -> Any:
    """The unpickled function: compiled if it was pickled by value, else the compiled function found by name."""
    return _compiled(found.__func__, options) if isinstance(found, MethodType) else found


def _compiled(function: Any, options: dict[str, Any]) -> Any:
    return function if isinstance(function, CompiledFunction) else CompiledFunction(function, **options)
