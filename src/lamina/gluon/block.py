"""`Block`, a layer or network with parameters and children, and `HybridBlock`, a block that can be compiled."""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lamina import nd
from lamina.core.array import Facade, Symbolic
from lamina.core.finite import look_at_saved
from lamina.core.interrupts import interrupts_later
from lamina.core.precision import Precision, require_precision
from lamina.core.state import state
from lamina.errors import OutsideError, ParameterError
from lamina.gluon._summary import summary
from lamina.gluon.call_checks import check_naming, require_arrays, require_inputs, unknown_argument
from lamina.gluon.parameter import Contexts, DeferredInitializationError, Parameter
from lamina.gluon.parameter_dict import NameScope, ParameterDict, assign, new_prefix
from lamina.nd.facade import is_presenting, leaves, mapped, nesting, plain, shown
from lamina.nd.ndarray import NDArray
from lamina.support.files.atomic import atomic_write
from lamina.support.files.named import read_arrays, write_arrays
from lamina.support.foreign_names import telling
from lamina.support.messages import warn
from lamina.support.unsupported import names_of_others

if TYPE_CHECKING:
    from lamina.mxnet.symbol import Symbol

__all__ = ["Block", "HookHandle", "HybridBlock", "with_children"]

Hook = Callable[..., None]


class HookHandle:
    """The handle of a registered hook, with a method `detach` that removes the hook.

    Leaving a ``with`` statement with the handle removes the hook, too.
    """

    def __init__(self, hooks: dict[int, Hook], hook: Hook) -> None:
        self._hooks = hooks
        hooks[id(self)] = hook

    def detach(self) -> None:
        self._hooks.pop(id(self), None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.detach()


@telling
class Block:
    """A layer or a network, with parameters and child blocks; subclasses override `forward`.

    A block or parameter assigned to an attribute becomes a child or a parameter of this block. Names created inside
    ``with self.name_scope():`` begin with this block's prefix.

    Args:
        prefix: the prefix of the parameters' names, after the parent's prefix inside a `name_scope`. None numbers the
            blocks of each class: ``dense0_``, ``dense1_`` …
        params: another block's `params` or `collect_params()`, to share its parameters.

    >>> from lamina import gluon, nd
    >>> class Twice(gluon.Block):
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**kwargs)
    ...         with self.name_scope():
    ...             self.dense = gluon.nn.Dense(2, in_units=3)
    ...     def forward(self, x):
    ...         return 2 * self.dense(x)
    >>> net = Twice(prefix="twice_")
    >>> list(net.collect_params())
    ['twice_dense0_weight', 'twice_dense0_bias']
    >>> net.initialize()
    >>> net(nd.ones((4, 3))).shape
    (4, 2)
    """

    _active = False
    """Whether the block is compiled; see `HybridBlock.hybridize`."""
    _has_row = True
    """Whether `summary` has a row for the block itself, besides the rows of the layers inside."""

    def __init__(
        self, prefix: str | None = None, params: ParameterDict | None = None, **unknown: Any
    ) -> None:
        if unknown:
            raise unknown_argument(type(self), next(iter(unknown)))
        self._children: dict[str, Block] = {}
        self._reg_params: dict[str, Parameter] = {}
        self._forward_hooks: dict[int, Hook] = {}
        self._forward_pre_hooks: dict[int, Hook] = {}
        check_naming(type(self).__name__, prefix, params)
        self._prefix, self._params = new_prefix(prefix, params, self._alias())
        self._scope = NameScope(self._prefix, self._params, transparent=prefix == "")

    def _alias(self) -> str:
        """The base name of this class's blocks, to which `NameScope` adds a number."""
        return type(self).__name__.lower()

    @property
    def prefix(self) -> str:
        """The prefix of the names of the block's parameters."""
        return self._prefix

    @property
    def name(self) -> str:
        """The block's prefix without its trailing underscore."""
        return self._prefix.removesuffix("_")

    @property
    def params(self) -> ParameterDict:
        """The parameters of this block alone; `collect_params` includes the children's."""
        return self._params

    def name_scope(self) -> NameScope:
        """A context in which the names of new blocks begin with this block's prefix."""
        return self._scope

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Block | Parameter) and "_children" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}.__init__ must call super().__init__() before it sets self.{name}"
            )
        existing = self.__dict__.get(name)
        if isinstance(existing, Block | Parameter) and not isinstance(value, type(existing)):
            raise TypeError(
                f"{type(self).__name__}.{name} is a {type(existing).__name__} and cannot become "
                f"a {type(value).__name__}"
            )
        if isinstance(value, Block):
            self.register_child(value, name)
        elif isinstance(value, Parameter) and self._reg_params.setdefault(name, value) is not value:
            raise ParameterError(
                f"{type(self).__name__}.{name} has a parameter already; to share parameters, pass "
                "params= to the block"
            )
        super().__setattr__(name, value)

    @property
    def __lamina_children__(self) -> dict[str, Block]:
        """The children by attribute name, for `lamina.compile`, which recompiles if they change."""
        return self._children

    def register_child(self, block: Block, name: str | None = None) -> None:
        """Make `block` a child; assigning it to an attribute does the same."""
        if not isinstance(block, Block):
            hint = "; nn.Lambda makes a block of a function" if callable(block) else ""
            raise TypeError(
                f"a child of {type(self).__name__} must be a Block, not a {type(block).__name__}{hint}"
            )
        self._children[str(len(self._children)) if name is None else name] = block

    def __repr__(self) -> str:
        return with_children(self, {k: b for k, b in self.__dict__.items() if isinstance(b, Block)})

    # --- running --------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for hook in tuple(self._forward_pre_hooks.values()):
            hook(self, args)
        try:
            out = self._run(*args, **kwargs)
        except Exception:
            require_inputs(self, args, kwargs)
            raise
        for hook in tuple(self._forward_hooks.values()):
            hook(self, args, out)
        return out

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs from the inputs; subclasses override this method."""
        raise TypeError(f"{type(self).__name__} must override forward")

    def _computation(self) -> tuple[tuple[Any, ...], inspect.Signature]:
        """The arguments that precede the inputs (`F`), and the signature of the method that subclasses override."""
        return (), inspect.signature(self.forward)

    def register_forward_pre_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(block, inputs)`` before each forward pass."""
        return HookHandle(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(block, inputs, output)`` after each forward pass."""
        return HookHandle(self._forward_hooks, hook)

    def hybridize(self, active: bool = True, **flags: Any) -> None:
        """Compile every `HybridBlock` among this block and its descendants; MXNet's `flags` have no effect."""
        for child in self._children.values():
            child.hybridize(active, **flags)

    def apply(self, fn: Callable[[Block], Any]) -> Self:
        """Call ``fn(block)`` for every descendant, children before parents, and finally for this block."""
        for child in self._children.values():
            child.apply(fn)
        fn(self)
        return self

    # --- parameters -----------------------------------------------------------------------------------------

    def collect_params(self, select: str | None = None) -> ParameterDict:
        """The parameters of this block and its descendants.

        `select` is a regular expression for full names, matched from their start, such as ``".*weight|.*bias"``.
        """
        _warn_of_hidden_blocks(self)
        found = ParameterDict(self._params.prefix)
        pattern = re.compile(select or "")
        found.update({name: p for name, p in self._params.items() if pattern.match(name)})
        for child in self._children.values():
            found.update(child.collect_params(select))
        return found

    def initialize(
        self, init: Any = None, ctx: Contexts = None, verbose: bool = False, force_reinit: bool = False
    ) -> None:
        """Initialize all parameters; see `ParameterDict.initialize`."""
        self.collect_params().initialize(init, ctx, verbose, force_reinit)

    def cast(self, dtype: Any) -> None:
        """Change the element type of all parameters."""
        for child in self._children.values():
            child.cast(dtype)
        for parameter in self._params.values():
            parameter.cast(dtype)

    def zero_grad(self) -> None:
        """Set all gradients to 0."""
        self.collect_params().zero_grad()

    def _collect_params_with_prefix(self, prefix: str = "") -> dict[str, Parameter]:
        """The parameters by path in the network, such as ``"0.weight"`` or ``"hidden.bias"``."""
        dotted = f"{prefix}." if prefix else ""
        found = {dotted + name: p for name, p in self._reg_params.items()}
        for name, child in self._children.items():
            found.update(child._collect_params_with_prefix(dotted + name))
        return found

    def save_parameters(self, filename: str | os.PathLike[str], deduplicate: bool = False) -> None:
        """Write all parameter values to a file, under their paths in the network, such as ``"0.weight"``.

        The format is safetensors if the file name ends in ``.safetensors``, else MXNet's `.params`. With `deduplicate`
        a shared parameter is written once.
        """
        params = self._collect_params_with_prefix()
        if deduplicate:
            params = {name: p for p, name in {p: name for name, p in reversed(params.items())}.items()}
        values = {name: p._values() for name, p in params.items()}
        # A signal handler that saves, too, would find half-imported modules and a half-written file.
        with interrupts_later(but_ctrl_c=True):
            write_arrays(filename, values, numpy_shapes=is_presenting())
        look_at_saved(x for p in params.values() for x in p._arrays())

    def load_parameters(
        self,
        filename: str | os.PathLike[str],
        ctx: Contexts = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Read parameter values from a file written by `save_parameters` or `ParameterDict.save`.

        Names in the file may have this block's prefix. The arguments are described at `ParameterDict.load`. After an
        error no value is changed.
        """
        source = os.fspath(filename)
        self._load(read_arrays(filename), source, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source)

    def save(self, prefix: str | os.PathLike[str]) -> None:
        """Write the parameter values to ``PREFIX-model.params`` and the blocks' names to ``PREFIX-model.json``.

        `load` reads both files, here and in MXNet, into a network with the same structure.
        """
        with atomic_write(f"{prefix}-model.json", "w") as file:
            json.dump(self._names_of_blocks(count()), file)
        self.save_parameters(f"{prefix}-model.params")

    def load(self, prefix: str | os.PathLike[str]) -> None:
        """Read the parameter values from files written by `save`, in lamina or MXNet, for the same network structure.

        The blocks keep their names.
        """
        self.load_parameters(f"{prefix}-model.params")

    def _names_of_blocks(self, numbers: Iterator[int]) -> dict[str, Any]:
        """MXNet's description of this block and its descendants: each block's name and its children's names and paths.

        A block's key is its class name with the next of the `numbers`.
        """
        key = f"{type(self).__name__.lower()}{next(numbers)}"
        children = self._children.items()
        told: dict[str, Any] = {"orig_name": self.name, "hybridized": False}
        told["children"] = {child.name: place for place, child in children}
        for _, child in children:
            told |= child._names_of_blocks(numbers)
        return {key: told}

    def load_dict(
        self,
        param_dict: Mapping[str, Any],
        ctx: Contexts = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Set parameter values from a dictionary of arrays, with the arguments of `load_parameters`."""
        loaded = {name: np.asarray(values) for name, values in param_dict.items()}
        self._load(loaded, "param_dict", ctx, allow_missing, ignore_extra, cast_dtype, dtype_source)

    def _load(self, loaded: dict[str, np.ndarray], source: str, *options: Any) -> None:
        params: Mapping[str, Parameter] = self._collect_params_with_prefix()
        if not any("." in name for name in loaded) and not loaded.keys() <= params.keys():
            params = dict(self.collect_params().items())  # saved by name
            if not loaded.keys() & params.keys():
                loaded = {self.prefix + name: values for name, values in loaded.items()}
        assign(params, loaded, source, *options)

    def save_params(self, filename: str | os.PathLike[str]) -> None:
        """Write all parameter values under their names without this block's prefix, as MXNet did before 1.2."""
        self.collect_params().save(filename, strip_prefix=self.prefix)

    load_params = load_parameters

    def summary(self, *inputs: Any) -> None:
        """Print a table of layers, output shapes and numbers of parameters for these inputs."""
        print(summary(self, *inputs))


class HybridBlock(Block):
    """A block that can be compiled: `hybridize` runs the block with its children through `lamina.compile`.

    Subclasses override `forward`, or ``hybrid_forward(self, F, x, …, weight, bias)``, where `F` is `lamina.nd` and the
    parameters are passed under their attribute names. Sizes of parameters that are 0 follow from the first inputs, by
    the operators of F or by `infer_shape`.

    >>> from lamina import gluon, nd
    >>> class Scale(gluon.HybridBlock):
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.factor = self.params.get("factor", shape=(1,), init="ones")
    ...     def hybrid_forward(self, F, x, factor):
    ...         return F.broadcast_mul(x, factor)
    >>> scale = Scale()
    >>> scale.initialize()
    >>> scale(nd.array([3])).asscalar().item()
    3.0
    """

    _node: str | None = None
    """The name of the layer's node in files exported for MXNet."""
    _hands_on = False
    """Whether `hybrid_forward` passes inputs to other blocks or functions; then their array class must not change."""
    _in_format: Any = None
    """The nesting of the inputs at the first call after `hybridize`, see `nesting` and `export`."""
    _out_format: Any = None
    """The nesting of the outputs, known after `export`. GluonTS stores both, by these names, beside exported files."""
    _precision: Precision = "float32"
    """The precision of the block's matrix products; see `hybridize`."""
    _compiled: tuple[str, Callable[..., Any]] | None = None
    """The compiled form of the method with this name; see `_compiled_as`."""

    def register_child(self, block: Block, name: str | None = None) -> None:
        """Make `block` a child; it must be a `HybridBlock`, since all children are compiled together."""
        if isinstance(block, Block) and not isinstance(block, HybridBlock):
            raise ValueError(
                f"a child of a HybridBlock must be a HybridBlock, but {block!r} is a {type(block).__name__}. "
                "For nn.Sequential there is nn.HybridSequential."
            )
        super().register_child(block, name)
        self._compiled = None

    def hybridize(
        self,
        active: bool = True,
        backend: str | None = None,
        clear: bool = True,
        static_alloc: bool = False,
        static_shape: bool = False,
        inline_limit: int = 2,
        forward_bulk_size: int | None = None,
        backward_bulk_size: int | None = None,
        *,
        precision: Precision = "float32",
        **flags: Any,
    ) -> None:
        """Compile this block, or stop compiling with ``active=False``.

        The call has an effect only on predictions, where evaluation is not deferred: in threads other than the main
        thread, and with ``LAMINA_EAGER=1``. Deferred steps are compiled anyway; a step of such a thread is compiled if
        it is a function of `lamina.compile`, with everything inside. MXNet's other arguments have no effect, except
        that a `backend` raises an error.

        precision
            The format to which operands of large matrix products are rounded, in the forward and backward pass:
            ``"float32"`` (not rounded), ``"tf32"`` (a GPU's tensor cores) or ``"bfloat16"`` (tensor cores, or a CPU's
            AMX). `lamina.compile` describes the errors of each format. Deferred steps round from the third time on, if
            all their products may be rounded so. Inside another compiled function, that function's precision applies.

        Raises:
            ValueError: `precision` is unknown.
        """
        if backend is not None:
            raise OutsideError(
                f"hybridize: lamina has no backends such as {backend!r}; it has its own compiler"
            )
        require_precision(precision, "hybridize")
        self._active, self._precision = active, precision
        self._compiled = self._in_format = None
        super().hybridize(active, precision=precision, **flags)

    def cast(self, dtype: Any) -> None:
        """Change the element type of all parameters."""
        self._compiled = None
        super().cast(dtype)

    def __getstate__(self) -> dict[str, Any]:
        """The state for copies and pickles, without compiled code, which a copy compiles again when needed."""
        return {**self.__dict__, "_compiled": None}

    def export(self, path: str | os.PathLike[str], epoch: int = 0, remove_amp_cast: bool = True) -> None:
        """Write the network as MXNet's files ``path-symbol.json`` and ``path-0000.params``, where 0000 is `epoch`.

        MXNet and `SymbolBlock.imports` can load the files. Inputs are called ``data``, or ``data0``, ``data1`` …
        Everything must be computed with ``F``, as in MXNet's hybrid blocks. The number of inputs is taken from the
        first call after `hybridize`, or from the signature of `hybrid_forward`.

        Raises:
            LaminaError: the network needs sizes or values of arrays, or operators that MXNet does not have.
            UninitializedParameterError: a parameter has no values yet.
        """
        import_module("lamina.mxnet.symbol.block").export(self, os.fspath(path), epoch)

    def as_symbol(self) -> Symbol:
        """The network as a symbol, as `export` writes it; raises the same errors as `export`."""
        return import_module("lamina.mxnet.symbol.block").written_down(self)

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        if self._active and self._in_format is None and not (args and isinstance(args[0], Symbolic)):
            self.__dict__["_in_format"] = nesting(args)
        compiles_later = (state.queue is not None or state.recording) and self._precision == "float32"
        if not self._active or state.trace is not None or compiles_later:
            return self.forward(*args, **kwargs)
        if args and isinstance(args[0], Symbolic):
            return self.forward(*args, **kwargs)
        require_arrays(self, args)
        if args and isinstance(args[0], Facade):
            return mapped(self._compiled_as("_behind")(*mapped(args, plain), **mapped(kwargs, plain)), shown)
        return self._compiled_as("forward")(*args, **kwargs)

    def _compiled_as(self, method: str) -> Callable[..., Any]:
        """The compiled form of the method called `method`, either `forward` or `_behind`."""
        compiled = self._compiled
        if compiled is None or compiled[0] != method:
            from lamina.compiler import compile

            compiled = self._compiled = (method, compile(getattr(self, method), precision=self._precision))
        return compiled[1]

    def _behind(self, *args: Any, **kwargs: Any) -> Any:
        """`forward` with `NDArray` inputs and outputs, for a block that computes with ``np.ndarray``."""
        return mapped(self.forward(*mapped(args, shown), **mapped(kwargs, shown)), plain)

    def _computation(self) -> tuple[tuple[Any, ...], inspect.Signature]:
        if type(self).forward is not HybridBlock.forward:
            return super()._computation()
        return (None,), inspect.signature(self.hybrid_forward)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run `hybrid_forward` with the parameters' arrays, after initializing parameters with unknown shapes.

        If the inputs are symbols, `hybrid_forward` gets ``F = lamina.symbol`` and the parameters as variables.
        """
        if args and isinstance(args[0], Symbolic):
            return args[0]._forward(self, args, kwargs)
        if args and isinstance(args[0], Facade) and self._knows_nd_alone():
            return mapped(self.forward(*mapped(args, plain), **mapped(kwargs, plain)), shown)
        require_arrays(self, args)
        try:
            params = self._arrays(args)
        except DeferredInitializationError:
            self.infer_shape(*args)
            for parameter in self._reg_params.values():
                parameter._finish_deferred_init()
            params = self._arrays(args)
        if args and isinstance(args[0], Facade):
            params = mapped(params, shown)
        return self.hybrid_forward(nd, *args, **kwargs, **params)

    def _knows_nd_alone(self) -> bool:
        """Whether this is one of Gluon's layers, which compute with `NDArray` only.

        Other blocks get ``np.ndarray`` inputs unchanged.
        """
        return not self._hands_on and str(type(self).hybrid_forward.__module__).startswith("lamina.")

    def _arrays(self, args: tuple[Any, ...]) -> dict[str, NDArray]:
        ctx = args[0].context if args and isinstance(args[0], NDArray | Facade) else None
        return {name: p._array_on(ctx) for name, p in self._reg_params.items()}

    def infer_shape(self, *args: Any, **_: Any) -> None:  # subclasses may name their inputs
        """Set the unknown shapes of this block's parameters from its inputs.

        The shapes follow from the operators of F in `hybrid_forward`; layers may override this method.
        """
        unknown = [p for p in self._reg_params.values() if not p._shape_is_known]
        shapes = import_module("lamina.mxnet.symbol.block").shapes_inside(self, args) if unknown else {}
        for parameter in unknown:
            if parameter.name not in shapes:
                raise DeferredInitializationError(
                    f"{type(self).__name__} '{self.name}' cannot tell the shape of {parameter} from its "
                    "inputs: give the shape when creating the parameter, or override infer_shape"
                )
            parameter.shape = shapes[parameter.name]

    def hybrid_forward(self, F: Any, *args: Any, **params: Any) -> Any:
        """Compute the outputs, with ``F = lamina.nd`` and the parameters by name; subclasses override this method."""
        raise TypeError(f"{type(self).__name__} must override hybrid_forward or forward")


def _flatten(args: Any, inout_str: str) -> tuple[list[Any], Any]:  # pyright: ignore[reportUnusedFunction] - GluonTS
    """The items of nested lists, and their `nesting`."""
    return list(leaves(args)), nesting(args)


def with_children(block: Block, children: Mapping[str, Block]) -> str:
    """The block's class name, followed by each child on indented lines."""
    lines = "\n".join(f"  ({key}): " + repr(child).replace("\n", "\n  ") for key, child in children.items())
    return f"{type(block).__name__}(\n{lines}\n)"


def _blocks_in(value: Any) -> Iterator[Block]:
    if isinstance(value, Block):
        yield value
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _blocks_in(item)


def _warn_of_hidden_blocks(block: Block) -> None:
    """Warn of blocks in plain lists or dictionaries, whose parameters would not be trained."""
    children = set(block._children.values())
    for name, value in block.__dict__.items():
        if name == "_children" or not isinstance(value, list | tuple | dict):
            continue
        if any(hidden not in children for hidden in _blocks_in(value)):
            warn(
                f"{type(block).__name__}.{name} holds blocks that are not registered, so their parameters "
                "are not collected. Register them with register_child(), or put them into nn.Sequential."
            )


__getattr__ = names_of_others("lamina.gluon.block", {"SymbolBlock": "lamina.mxnet.symbol.block"})
