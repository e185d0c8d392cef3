"""Contexts: the device that stores an array. `cpu()` always exists; `lamina.device.choice` finds the GPUs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from lamina.errors import ContextError

if TYPE_CHECKING:
    from lamina.device.interface import Device

__all__ = [
    "Context", "cpu", "cpu_pinned", "current_context", "device_of", "gpu", "gpu_memory_info", "num_gpus", "set_current",
    "usable",
]  # fmt: skip


class _ContextType(type):
    """The type of `Context`, for MXNet's deprecated property of the class."""

    @property
    def default_ctx(cls) -> Context:
        """The `current_context`; assignment makes another one current."""
        return current_context()

    @default_ctx.setter
    def default_ctx(cls, value: Context) -> None:
        set_current(value)


class Context(metaclass=_ContextType):
    """A device, by its type (``"cpu"`` or ``"gpu"``) and number.

    ``is_host`` is true if NumPy can access the device's memory. MXNet's types for page-locked memory (``"cpu_pinned"``)
    and for memory shared by processes (``"cpu_shared"``) are accepted as other names for plain CPU memory.

    Contexts are interned: equal contexts are the same object. Used in a ``with`` statement, a context becomes the
    default for arrays created inside.

    >>> import lamina as mx
    >>> mx.cpu()
    cpu(0)
    >>> mx.cpu(0) is mx.Context("cpu", 0)
    True
    """

    __slots__ = ("device_id", "device_type", "is_host")

    devtype2str: ClassVar[dict[int, str]] = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
    devstr2type: ClassVar[dict[str, int]] = {"cpu": 1, "gpu": 2, "cpu_pinned": 3, "cpu_shared": 5}
    _interned: ClassVar[dict[tuple[str, int], Context]] = {}

    device_type: str
    device_id: int
    is_host: bool

    def __new__(cls, device_type: str | Context, device_id: int = 0) -> Context:
        if isinstance(device_type, Context):
            return device_type
        if device_type not in cls.devstr2type:
            known = ", ".join(sorted(cls.devstr2type))
            raise ContextError(f"unknown device type {device_type!r}; known: {known}")
        key = (device_type, int(device_id))
        context = cls._interned.get(key)
        if context is None:
            context = super().__new__(cls)
            context.device_type, context.device_id = key
            context.is_host = device_type != "gpu"
            context = cls._interned.setdefault(key, context)
        return context

    @property
    def device_typeid(self) -> int:
        """MXNet's number for the device type: 1 for CPU, 2 for GPU."""
        return self.devstr2type[self.device_type]

    def empty_cache(self) -> None:
        """Return device memory kept for reuse to the driver, for use by other programs; as in MXNet."""
        if not self.is_host:
            device_of(self).release_kept_memory()

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    def __reduce__(self) -> tuple[type[Context], tuple[str, int]]:
        return (Context, (self.device_type, self.device_id))

    def __deepcopy__(self, memo: object) -> Context:
        return self

    def __enter__(self) -> Context:
        _default.outer.append(current_context())
        _default.context = self
        return self

    def __exit__(self, *_exception: object) -> None:
        _default.context = _default.outer.pop()


def cpu(device_id: int = 0) -> Context:
    """The context of the CPU.

    All values of `device_id` mean the same processor, but operators can't combine arrays on contexts with different
    values.
    """
    return Context("cpu", device_id)


def cpu_pinned(device_id: int = 0) -> Context:
    """A context for MXNet's page-locked host memory; here, plain CPU memory with another name."""
    return Context("cpu_pinned", device_id)


def gpu(device_id: int = 0) -> Context:
    """The context of a GPU. Creating an array on it raises `ContextError` if the GPU doesn't exist."""
    return Context("gpu", device_id)


def num_gpus() -> int:
    """The number of devices available as `gpu()`.

    >>> import lamina as mx
    >>> ctx = mx.gpu() if mx.num_gpus() else mx.cpu()
    """
    from lamina.device.choice import found

    return len(found())


def gpu_memory_info(device_id: int = 0) -> tuple[int, int]:
    """The free and total bytes of a GPU's memory, as in MXNet. Memory that lamina keeps for reuse counts as free."""
    return device_of(gpu(device_id)).memory_info()


def device_of(context: Context) -> Device:
    """The opened device of a context; raises `ContextError` if it doesn't exist."""
    from lamina.device.choice import device

    return device(context.device_id)


def usable(ctx: Context | None) -> Context:
    """The context `ctx`, or the current context for None; raises `ContextError` if no array can be created on it."""
    context = current_context() if ctx is None else ctx
    if not isinstance(context, Context):
        hint = "; a shape of several sizes is a tuple, like (2, 3)" if isinstance(context, int) else ""
        raise ContextError(f"expected a context such as mx.cpu(), not {context!r}{hint}")
    if not context.is_host:
        device_of(context)
    return context


class _Default(threading.local):
    context: Context = Context("cpu", 0)

    def __init__(self) -> None:
        self.outer: list[Context] = []  # of the `with` statements that this thread is inside


_default = _Default()


def current_context() -> Context:
    """The context for new arrays: `cpu(0)`, unless inside ``with context:``.

    >>> import lamina as mx
    >>> with mx.cpu(1):
    ...     print(mx.current_context(), mx.nd.zeros(2).context)
    cpu(1) cpu(1)
    """
    return _default.context


def set_current(context: Context) -> Context:
    """Make `context` this thread's current one; returns the previous context."""
    before, _default.context = _default.context, context
    return before
