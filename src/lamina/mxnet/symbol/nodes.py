"""`Symbol`, a network's computation without values, and the functions of `lamina.symbol` that create symbols.

A function creates a node, or several nodes if MXNet lacks the operator.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, ClassVar, NoReturn

from lamina.core.array import Symbolic
from lamina.errors import DataError, LaminaError
from lamina.mxnet.attribute import AttrScope
from lamina.mxnet.symbol._names import in_block, new_name, prefixed
from lamina.mxnet.symbol._operator import OPERATORS, CustomOperator, Operator
from lamina.mxnet.symbol.computing import evaluated, inferred_shapes, inferred_types, key_of
from lamina.mxnet.symbol.executor import Executor, bound, bound_to_shapes
from lamina.mxnet.symbol.graph import TYPE_FLAGS, Node, Output, nodes_of, text_of
from lamina.nd.elementwise import OF_TWO
from lamina.support.files.atomic import atomic_write
from lamina.support.messages import closest


class Symbol(Symbolic):
    """One or several outputs of a network graph, which `gluon.SymbolBlock` computes.

    While a block is exported, ``hybrid_forward(self, F, x)`` gets symbols, with ``F`` = `lamina.symbol`.

    >>> import lamina as mx
    >>> x = mx.sym.var("x")
    >>> y = mx.sym.FullyConnected(x, num_hidden=3, name="fc") + 1
    >>> y.list_arguments(), len(y.list_outputs())
    (['x', 'fc_weight', 'fc_bias'], 1)
    """

    __slots__ = ("heads",)

    F: ClassVar[Any]
    """The module `lamina.symbol`, as blocks call it; the module sets this."""

    def __init__(self, heads: Sequence[Output]) -> None:
        self.heads = tuple(heads)

    # --- structure -----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """The name of the node, or None if the outputs are of several nodes."""
        return None if self._node is None else self._node.name

    @property
    def _node(self) -> Node | None:
        """The node of the outputs, or None if there are several."""
        first = self.heads[0][0]
        return first if all(node is first for node, _ in self.heads) else None

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(node.name for node, _ in self.heads))
        return f"<Symbol {names if len(self.heads) == 1 else f'group [{names}]'}>"

    def __len__(self) -> int:
        return len(self.heads)

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol([head]) for head in self.heads)

    def _forward(self, block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a hybrid block's `hybrid_forward` with ``F = lamina.symbol`` and its parameters as variables."""
        variables = {name: parameter.var() for name, parameter in block._reg_params.items()}
        with prefixed(block.prefix, block._node):
            return block.hybrid_forward(self.F, *args, **kwargs, **variables)

    def __getitem__(self, index: int | str | slice) -> Symbol:
        """The output with an index or name, or for a slice several outputs."""
        if isinstance(index, slice):
            return Symbol(self.heads[index])
        if isinstance(index, str):
            names = self.list_outputs()
            if names.count(index) != 1:
                raise ValueError(f"not exactly one output is called {index!r}.{closest(index, names)}")
            index = names.index(index)
        if not isinstance(index, int):
            _no_values("x[…]", "F.slice_axis or F.slice")
        return Symbol([self.heads[index]])

    def list_outputs(self) -> list[str]:
        """The names of the symbol's outputs."""
        return [node.output_names()[i] for node, i in self.heads]

    def list_inputs(self) -> list[str]:
        """The names of all variables."""
        return [node.name for node in nodes_of(self.heads) if node.operator is None]

    def list_arguments(self) -> list[str]:
        """The names of the variables that operators don't change, i.e. inputs and weights."""
        auxiliary = set(self.list_auxiliary_states())
        return [name for name in self.list_inputs() if name not in auxiliary]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the variables that operators change in training, i.e. running means and variances."""
        found: dict[str, None] = {}
        for node in nodes_of(self.heads):
            if node.operator is not None and node.operator.auxiliary:
                names = node.operator.inputs(node.values)
                for name, (given, _) in zip(names, node.inputs, strict=True):
                    if name in node.operator.auxiliary and given.operator is None:
                        found[given.name] = None
        return [name for name in self.list_inputs() if name in found]

    def get_internals(self) -> Symbol:
        """The outputs of all nodes, from which ``net.get_internals()["fc1_output"]`` selects an output by name."""
        return Symbol([(node, i) for node in nodes_of(self.heads) for i in range(node.outputs)])

    def get_children(self) -> Symbol | None:
        """The inputs of the outputs' nodes, or None for a variable."""
        found = [given for node, _ in self.heads for given in node.inputs]
        return Symbol(found) if found else None

    def attr(self, key: str) -> str | None:
        """The attribute `key` of the node, or None.

        MXNet's attributes are found with or without underscores, as ``lr_mult`` or ``__lr_mult__``.
        """
        noted = self.list_attr()
        return noted.get(key, noted.get(f"__{key}__", noted.get(key.strip("_"))))

    def list_attr(self) -> dict[str, str]:
        """The attributes of the node, or {} if the outputs are of several nodes."""
        return {} if self._node is None else dict(self._node.attributes)

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """The attributes of all nodes that have any, by node name."""
        return {node.name: dict(node.attributes) for node in nodes_of(self.heads) if node.attributes}

    def replaced(self, variables: Mapping[str, Output]) -> Symbol:
        """The same network with the named variables replaced by outputs of other nodes."""
        made: dict[int, Node] = {}

        def present(x: Node, i: int) -> Output:
            there = made[id(x)], i
            return variables.get(x.name, there) if x.operator is None else there

        for node in nodes_of(self.heads):
            inputs = [present(x, i) for x, i in node.inputs]
            same = all(x is y for (x, _), (y, _) in zip(inputs, node.inputs, strict=True))
            made[id(node)] = node if same else Node(node.operator, node.name, node.attributes, inputs)
        return Symbol([present(node, i) for node, i in self.heads])

    def __call__(self, *args: Any, name: str | None = None, **inputs: Symbol) -> Symbol:
        """The same network with `inputs` in place of the variables of these names (MXNet's composition).

        With `name`, the node of the first output is called so.

        >>> import lamina as mx
        >>> net = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=3, name="fc")
        >>> net(x=mx.sym.tanh(mx.sym.var("y"))).list_arguments()
        ['y', 'fc_weight', 'fc_bias']
        """
        variables = self.list_inputs()
        if args:
            raise TypeError(f"a Symbol takes its inputs by name, as in net({variables[0]}=x)")
        unknown = next((key for key in inputs if key not in variables), None)
        if unknown is not None:
            raise ValueError(f"the network has no input {unknown!r}.{closest(unknown, variables)}")
        made = self.replaced({key: _single("a network", x) for key, x in inputs.items()})
        if name is None:
            return made
        old, _ = made.heads[0]
        new = Node(old.operator, name, old.attributes, old.inputs)
        return Symbol([(new if node is old else node, i) for node, i in made.heads])

    # --- files ---------------------------------------------------------------------------------------------------

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """The JSON text that `save` writes."""
        return text_of(self.heads)

    def save(self, fname: str | os.PathLike[str], remove_amp_cast: bool = True) -> None:
        """Write all nodes, without parameter values, to a file that MXNet's ``mx.sym.load`` reads.

        The file is replaced atomically.
        """
        with atomic_write(fname) as file:
            file.write(text_of(self.heads).encode())

    # --- operators -----------------------------------------------------------------------------------------------

    __hash__ = object.__hash__

    def __bool__(self) -> bool:  # noqa: PLE0304 - never returns
        _no_values("the truth of a Symbol", "F.where")

    def __array__(self, *_args: object, **_kwargs: object) -> NoReturn:
        _no_values("an operator of mx.nd got a Symbol", "the operator of F")

    def infer_shape(
        self, *shapes: tuple[int, ...] | None, **named: tuple[int, ...]
    ) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[tuple[int, ...]]] | tuple[None, None, None]:
        """The shapes of arguments, outputs and auxiliary states, each in the order of its list.

        Args:
            shapes: arguments' shapes, in the order of `list_arguments`; None if unknown.
            named: inputs' shapes by name.

        Returns (None, None, None), with a warning, if the arguments don't determine all shapes.

        >>> import lamina as mx
        >>> net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=10, name="fc")
        >>> net.infer_shape(data=(64, 784))
        ([(64, 784), (10, 784), (10,)], [(64, 10)], [])
        """
        found = self.infer_shape_partial(*shapes, **named)
        names = [*self.list_arguments(), *self.list_outputs(), *self.list_auxiliary_states()]
        unknown = [name for name, shape in zip(names, chain(*found), strict=True) if not shape]
        if unknown:
            warnings.warn(
                f"infer_shape: the shapes of {', '.join(unknown[:10])} do not follow from the shapes of "
                f"{', '.join(named) or 'nothing'}; pass the shapes of more variables",
                stacklevel=2,
            )
            return None, None, None
        return found

    def infer_shape_partial(
        self, *shapes: tuple[int, ...] | None, **named: tuple[int, ...]
    ) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[tuple[int, ...]]]:
        """The shapes as by `infer_shape`, where () stands for an unknown shape."""
        return self._inferred(inferred_shapes, (), shapes, named)

    def infer_type(
        self, *types: Any, **named: Any
    ) -> tuple[list[Any], list[Any], list[Any]] | tuple[None, None, None]:
        """The dtypes of arguments, outputs and auxiliary states, as classes of NumPy, each in the order of its list.

        Args:
            types: arguments' dtypes, in the order of `list_arguments`; None if unknown.
            named: inputs' dtypes by name.

        Returns (None, None, None) if the arguments don't determine all dtypes.

        >>> import lamina as mx
        >>> net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=10, name="fc")
        >>> [dtype.__name__ for dtype in net.infer_type(data="float16")[0]]
        ['float16', 'float16', 'float16']
        """
        found = self.infer_type_partial(*types, **named)
        return (None, None, None) if None in chain(*found) else found

    def infer_type_partial(self, *types: Any, **named: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """The dtypes as by `infer_type`, where None stands for an unknown dtype."""
        return self._inferred(inferred_types, None, types, named)

    def _inferred(
        self, infer: Callable[..., Any], unknown: Any, in_order: Sequence[Any], named: Mapping[str, Any]
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """What `infer` finds of arguments, outputs and auxiliary states, and `unknown` where it finds nothing."""
        names, inputs = self.list_arguments(), self.list_inputs()
        for name in named:
            if name not in inputs:
                raise ValueError(f"{name!r} is no input; there are {', '.join(inputs[:20])}")
        given = {**dict(zip(names, in_order, strict=False)), **named}
        found = infer(self.heads, {name: value for name, value in given.items() if value is not None})
        keys = names, map(key_of, self.heads), self.list_auxiliary_states()
        arguments, outputs, states = ([found.get(key, unknown) for key in part] for part in keys)
        return arguments, outputs, states

    def eval(self, ctx: Any = None, **arrays: Any) -> list[Any]:
        """Compute the outputs from an array for each variable, passed by name, on the arrays' device.

        >>> import lamina as mx
        >>> (mx.sym.var("x") * 2).eval(x=mx.nd.array([1, 2]))[0].asnumpy()
        array([2., 4.], dtype=float32)
        """
        return evaluated(self.heads, arrays)

    def bind(
        self,
        ctx: Any,
        args: Any,
        args_grad: Any = None,
        grad_req: Any = "write",
        aux_states: Any = None,
        group2ctx: Any = None,
        shared_exec: Any = None,
    ) -> Executor:
        """An executor on existing arrays.

        Args:
            ctx: the device.
            args, args_grad, aux_states: arguments, arrays for their gradients, and auxiliary states, as lists in the
                order of `list_arguments` and `list_auxiliary_states`, or as dicts by name.
            grad_req: ``"write"``, ``"add"`` or ``"null"``, for all arguments, or a list or dict.
        """
        return bound(self, ctx, args, args_grad, grad_req, aux_states)

    def simple_bind(
        self, ctx: Any = None, grad_req: Any = "write", type_dict: Any = None, **kwargs: Any
    ) -> Executor:
        """An executor on new arrays of zeros; `kwargs` has the inputs' shapes, and `type_dict` dtypes by name."""
        shapes = {name: shape for name, shape in kwargs.items() if name not in _WITHOUT_EFFECT}
        return bound_to_shapes(self, ctx, grad_req, type_dict, shapes)

    def __getattr__(self, name: str) -> Any:
        """The methods of arrays; ``x.sum(axis=1)`` is ``F.sum(x, axis=1)``."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name in _OF_ARRAYS:
            _no_values(f".{name}", _OF_ARRAYS[name])
        if name in _METHODS:
            return partial(_METHODS[name], self)
        try:
            return partial(function(name), self)
        except AttributeError:
            raise AttributeError(f"Symbol has no method {name!r}") from None


_OF_ARRAYS = {
    "shape": "codes in F.reshape (0, -1, -2 …), or F.reshape_like",
    "size": "F.mean in place of a division by it",
    "ndim": "negative axes",
    "dtype": "F.cast",
    **dict.fromkeys(("context", "ctx", "as_in_context"), "F alone, without contexts"),
    **dict.fromkeys(("asnumpy", "asscalar", "item"), "operators of F"),
    **dict.fromkeys(("grad", "attach_grad", "backward"), "autograd on arrays"),
}


_WITHOUT_EFFECT = {"stype_dict", "group2ctx", "shared_arg_names", "shared_exec", "shared_buffer"}
"""Arguments of `Symbol.simple_bind` about storage and memory."""


def _no_values(what: str, instead: str) -> NoReturn:
    raise SymbolError(
        f"{what}: a Symbol describes a network for any batch, and has no values or sizes yet. Use {instead}"
    )


class SymbolError(LaminaError, AttributeError, TypeError):
    """An error raised if a symbol is used where array values are needed."""


def Group(symbols: Sequence[Symbol]) -> Symbol:  # noqa: N802 - MXNet's name
    """A symbol with the outputs of several symbols."""
    if not symbols or not all(isinstance(symbol, Symbol) for symbol in symbols):
        raise TypeError(f"Group takes a list of Symbols, not {symbols!r}")
    return Symbol([head for symbol in symbols for head in symbol.heads])


# --- variables, and operators that MXNet has ----------------------------------------------------------------------


def var(
    name: str,
    attr: dict[str, str] | None = None,
    shape: Sequence[int] | None = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: Any = None,
    init: Any = None,
    stype: str | None = None,
    **kwargs: Any,
) -> Symbol:
    """A variable (an input or parameter of a network) with attributes from `attr` and `mx.AttrScope`.

    >>> var("data").list_outputs()
    ['data']
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a variable is a string, not {name!r}")
    if stype not in (None, "default"):
        raise ValueError(f"variable {name!r}: stype is {stype!r}, but every array here is dense")
    multipliers = {"__lr_mult__": lr_mult, "__wd_mult__": wd_mult}
    texts = {key: str(value) for key, value in multipliers.items() if value is not None}
    if shape is not None:
        texts["__shape__"] = str(tuple(shape))
    if dtype is not None:
        texts["__dtype__"] = str(_type_flag(dtype))
    if init is not None:
        texts["__init__"] = init if isinstance(init, str) else init.dumps()
    texts.update((key, str(value)) for key, value in kwargs.items() if key.startswith("__"))
    factors = {"lr_mult": "__lr_mult__", "wd_mult": "__wd_mult__"}
    given: dict[str, str] = AttrScope.current.get(attr)
    noted = {factors.get(key, key): text for key, text in given.items()}
    return Symbol([(Node(None, name, noted | texts), 0)])


def _type_flag(dtype: Any) -> int:
    """MXNet's numeric code of a dtype."""
    import numpy as np

    return TYPE_FLAGS.index(np.dtype(dtype).name)


def apply(
    operator: Operator, *arrays: Any, name: str | None = None, hint: str | None = None, **values: Any
) -> Symbol:
    """Apply an operator to symbols; omitted inputs become new variables, named after the new node.

    Without `name`, the node is called `hint` and a number; `hint` is the operator's name by default.
    """
    texts = operator.texts(values)
    if operator.is_variadic and "num_args" not in texts:
        texts = {**texts, "num_args": str(len(arrays))}
    full = new_name(name, (hint or operator.name).lower())
    try:
        node = Node(operator, full, texts)
    except DataError as error:
        raise TypeError(f"{operator.name}: {error}") from None
    if not operator.is_variadic:
        names = operator.inputs(node.values)
        given = (*arrays, *[None] * (len(names) - len(arrays)))
        pairs = zip(names, given, strict=False)
        arrays = tuple(var(f"{full}_{own}") if x is None else x for own, x in pairs)
    node.inputs = tuple(_single(operator.name, x) for x in arrays)
    return Symbol([(node, i) for i in range(node.outputs)])


def _single(taker: str, x: Any) -> Output:
    if not isinstance(x, Symbol):
        raise SymbolError(
            f"{taker} takes Symbols in a network's description, not {type(x).__name__}. Make an array "
            "part of the network as a parameter: self.params.get_constant(name, value)"
        )
    if len(x) != 1:
        raise TypeError(f"{taker} takes single outputs, and {x!r} has {len(x)}; select one, as in x[0]")
    return x.heads[0]


def function(name: str, hint: str | None = None) -> Callable[..., Symbol]:
    """The function `name` of symbols, with the arguments of the operator called `name`.

    Nodes without a name are called `hint` and a number; `hint` is `name` by default.

    Raises:
        AttributeError: there is no such operator.
    """
    if name in NAMED:
        return NAMED[name]
    operator = OPERATORS.get(name)
    if operator is None:
        known = [*OPERATORS, *NAMED]
        raise AttributeError(
            f"lamina.symbol has no operator {name!r} for MXNet's files.{closest(name, known)} "
            "lamina.export_onnx writes any network"
        )
    return _function_of(operator, hint or name)


def _function_of(operator: Operator, hint: str | None = None) -> Callable[..., Symbol]:
    def call(*args: Any, name: str | None = None, attr: Any = None, **named: Any) -> Symbol:
        if operator.is_variadic:
            arrays = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
            return apply(operator, *arrays, name=name, hint=hint, **named)
        given = dict(zip(operator.arguments, args, strict=False))
        if len(args) > len(operator.arguments) or given.keys() & named.keys():
            raise TypeError(
                f"{operator.name} takes each of these arguments at most once: {', '.join(operator.arguments)}"
            )
        given.update(named)
        arrays = [given.pop(array, None) for array in operator.arrays]
        names = operator.inputs(operator.values(operator.texts(given)))
        kept = [x for array, x in zip(operator.arrays, arrays, strict=True) if array in names]
        with AttrScope(**(attr or {})):
            return apply(operator, *kept, name=name, hint=hint, **given)

    call.__name__ = operator.name
    return call


def _several(named: dict[str, Any], key: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The numbers of a method called with them by name, as a tuple, or one by one."""
    one = given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given
    return tuple(named.pop(key, None) or one)


def _reshape(x: Symbol, *shape: Any, **named: Any) -> Symbol:
    return function("reshape")(x, shape=_several(named, "shape", shape), **named)


def _transpose(x: Symbol, *axes: Any, **named: Any) -> Symbol:
    return function("transpose")(x, axes=_several(named, "axes", axes))


_METHODS: dict[str, Callable[..., Any]] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "astype": lambda x, dtype, **_: function("Cast")(x, dtype=dtype),
    "detach": _function_of(OPERATORS["BlockGrad"]),
    "copy": _function_of(OPERATORS["_copy"]),
}


# --- arithmetic of two arrays, or of an array and a number -------------------------------------------------------


_SPOKEN = {"add": "plus", "sub": "minus"}
_SWAPPED = {
    "sub": "rminus", "div": "rdiv", "mod": "rmod", "power": "rpower", "greater": "lesser", "lesser": "greater",
    "greater_equal": "lesser_equal", "lesser_equal": "greater_equal",
}  # fmt: skip
"""Stems of operators by another name in names of nodes and operators of a number; and those with the number first."""


def _binary(stem: str) -> Callable[..., Any]:
    """The operator `stem` of two arrays of one shape, or an array and a number.

    In the description of a block, whose function may broadcast, it is the operator that broadcasts.
    """
    spoken = _SPOKEN.get(stem, stem)
    of_arrays = OPERATORS.get(f"elemwise_{stem}") or OPERATORS[f"_{stem}"]
    with_number, number_first = (OPERATORS[f"_{x}_scalar"] for x in (spoken, _SWAPPED.get(stem, spoken)))
    is_comparison = stem.endswith(("equal", "greater", "lesser"))

    def call(lhs: Any, rhs: Any, name: str | None = None) -> Any:
        if isinstance(lhs, Symbol) and isinstance(rhs, Symbol):
            operator = OPERATORS[f"broadcast_{stem}"] if in_block() else of_arrays
            return apply(operator, lhs, rhs, name=name, hint=f"_{spoken}")
        operator = with_number if isinstance(lhs, Symbol) else number_first
        array, number = (lhs, rhs) if isinstance(lhs, Symbol) else (rhs, lhs)
        if not isinstance(array, Symbol):
            raise TypeError(f"{stem} takes two Symbols, or a Symbol and a number, not {lhs!r} and {rhs!r}")
        is_scalar = hasattr(number, "item") and not hasattr(number, "asnumpy")
        if not is_scalar and not isinstance(number, int | float):
            _single(f"broadcast_{stem}", number)
        hint = operator.name if is_comparison else operator.name.replace("_scalar", "scalar")
        return apply(operator, array, name=name, hint=hint, scalar=number)

    return call


_BINARY = {function.__name__: _binary(stem) for stem, function in OF_TWO.items()}
_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "mod": "modulo", "pow": "power",
}  # fmt: skip
_COMPARISONS = {
    "eq": "equal", "ne": "not_equal", "gt": "greater", "ge": "greater_equal", "lt": "lesser", "le": "lesser_equal",
}  # fmt: skip

for _python, _name in (_OPERATORS | _COMPARISONS).items():
    setattr(Symbol, f"__{_python}__", lambda self, other, call=_BINARY[_name]: call(self, other))
    if _python in _OPERATORS:
        setattr(Symbol, f"__r{_python}__", lambda self, other, call=_BINARY[_name]: call(other, self))
Symbol.__neg__ = lambda self: self * -1.0  # pyright: ignore[reportAttributeAccessIssue]
Symbol.__abs__ = lambda self: apply(OPERATORS["abs"], self)  # pyright: ignore[reportAttributeAccessIssue]


# --- functions composed of several operators, or with another name than their operator ---------------------------


def _softrelu(data: Symbol, **name: Any) -> Symbol:
    return apply(OPERATORS["Activation"], data, act_type="softrelu", **name)


def _leaky(act_type: str, **fixed: Any) -> Callable[..., Symbol]:
    def leaky(data: Symbol, slope: float | None = None, **name: Any) -> Symbol:
        slopes = fixed if slope is None else {"slope": slope}
        return apply(OPERATORS["LeakyReLU"], data, act_type=act_type, **slopes, **name)

    return leaky


_COMPOSED: dict[str, Callable[..., Symbol]] = {
    "identity": _function_of(OPERATORS["_copy"]),
    "logistic": _function_of(OPERATORS["sigmoid"]),
    "softplus": _softrelu,
    "softrelu": _softrelu,
    "log_sigmoid": lambda data: apply(OPERATORS["negative"], _softrelu(apply(OPERATORS["negative"], data))),
    "hard_sigmoid": _function_of(OPERATORS["hard_sigmoid"]),
    "leaky_relu": _leaky("leaky", slope=0.01),
    "elu": _leaky("elu", slope=1.0),
    "selu": _leaky("selu"),
    "gelu": _leaky("gelu"),
    "silu": lambda data: data * function("sigmoid")(data),
    "mish": lambda data: data * function("tanh")(_softrelu(data)),
}
"""Activations without an ``act_type`` in MXNet, composed of MXNet's operators."""


def _activation(data: Symbol, act_type: str, name: str | None = None, **_attr: Any) -> Symbol:
    if act_type in _COMPOSED and act_type != "softrelu":
        return _COMPOSED[act_type](data)
    return apply(OPERATORS["Activation"], data, name=name, act_type=act_type)


def _prelu(data: Symbol, gamma: Symbol, **name: Any) -> Symbol:
    return apply(OPERATORS["LeakyReLU"], data, gamma, act_type="prelu", **name)


def _arange(start: float, stop: float | None = None, **named: Any) -> Symbol:
    return apply(OPERATORS["_arange"], start=start, **({} if stop is None else {"stop": stop}), **named)


def _made(name: str) -> Callable[..., Symbol]:
    def call(shape: Any = (), dtype: Any = "float32", **named: Any) -> Symbol:
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        return apply(OPERATORS[name], shape=sizes, dtype=dtype or "float32", **named)

    return call


def _full(shape: Any, val: float, dtype: Any = "float32", **named: Any) -> Symbol:
    return apply(OPERATORS["_full"], shape=shape, value=val, dtype=dtype, **named)


def _split_v2(ary: Symbol, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False) -> Symbol:
    sections = indices_or_sections if isinstance(indices_or_sections, int) else 0
    indices: list[int] = [] if isinstance(indices_or_sections, int) else [0, *indices_or_sections]
    return apply(
        OPERATORS["_split_v2"], ary, indices=indices, axis=axis, squeeze_axis=squeeze_axis, sections=sections
    )


def _custom(*arrays: Any, op_type: str, name: str | None = None, **given: Any) -> Symbol:
    """A node of a custom operator (`mx.operator.register`); settings are those arguments that are no symbols."""
    named = {key: x for key, x in given.items() if isinstance(x, Symbol)}
    settings = {key: x for key, x in given.items() if key not in named}
    operator = CustomOperator(op_type, settings)
    full = new_name(name, "custom")
    free = [x for x in operator.arrays if x not in named]
    named.update(zip(free, arrays, strict=False))
    inputs = [_single(operator.name, named[x] if x in named else var(f"{full}_{x}")) for x in operator.arrays]
    node = Node(operator, full, operator.texts({"op_type": op_type, **settings}), inputs)
    return Symbol([(node, i) for i in range(node.outputs)])


NAMED: dict[str, Callable[..., Any]] = {
    **_BINARY,
    "mod": _BINARY["modulo"],
    "pow": _BINARY["power"],
    "true_divide": _BINARY["divide"],
    **{name: _COMPOSED[name] for name in ("log_sigmoid", "mish", "selu", "gelu", "softrelu")},
    "leaky_relu": _leaky("leaky"),
    "elu": _leaky("elu"),
    "prelu": _prelu,
    "Activation": _activation,
    "Custom": _custom,
    "arange": _arange,
    "zeros": _made("_zeros"),
    "ones": _made("_ones"),
    "full": _full,
    "eye": lambda N, M=0, k=0, **named: apply(OPERATORS["_eye"], N=N, M=M, k=k, **named),
    "split_v2": _split_v2,
}
"""Functions that differ from the operator of the same name."""
