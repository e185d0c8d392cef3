"""`Symbol`, a network's computation as a graph of nodes without values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from lamina.core.array import Symbolic
from lamina.errors import LaminaError
from lamina.mxnet.symbol._operator import Operator
from lamina.support.messages import closest

__all__ = ["TYPE_FLAGS", "Group", "Node", "Output", "Symbol", "nodes_of"]


class Node:
    """A node of a network's graph: a variable, or an operator applied to outputs of other nodes.

    Attributes:
        operator: the operator; None for a variable.
        name: the node's name, unique in a network.
        attributes: the node's attributes, as strings as in files.
        inputs: outputs of other nodes, in the order of the operator's arrays.
    """

    __slots__ = ("attributes", "inputs", "name", "operator", "outputs", "values")

    def __init__(
        self,
        operator: Operator | None,
        name: str,
        attributes: Mapping[str, str],
        inputs: Sequence[Output] = (),
    ) -> None:
        self.operator, self.name, self.attributes, self.inputs = (
            operator,
            name,
            dict(attributes),
            tuple(inputs),
        )
        self.values: dict[str, Any] = {} if operator is None else operator.values(self.attributes)
        self.outputs = 1 if operator is None else operator.outputs(self.values)

    def output_names(self) -> list[str]:
        """The names of the node's outputs."""
        if self.operator is None:
            return [self.name]
        if self.outputs == 1:
            return [f"{self.name}_output"]
        return [f"{self.name}_output{i}" for i in range(self.outputs)]


Output = tuple[Node, int]
"""A node, and the position of its output."""


def nodes_of(heads: Sequence[Output]) -> list[Node]:
    """All nodes on which the outputs `heads` depend, without duplicates, each after its inputs."""
    found: dict[int, Node] = {}
    waiting: list[tuple[Node, bool]] = [(node, False) for node, _ in reversed(heads)]
    while waiting:
        node, inputs_are_found = waiting.pop()
        if id(node) in found:
            continue
        if inputs_are_found:
            found[id(node)] = node
        else:
            waiting.append((node, True))
            waiting.extend((x, False) for x, _ in reversed(node.inputs))
    return list(found.values())


class Symbol(Symbolic):
    """One or several outputs of a network graph, which `gluon.SymbolBlock` computes.

    While a block is exported, ``hybrid_forward(self, F, x)`` gets symbols, with ``F`` = `lamina.symbol`.

    >>> import lamina as mx
    >>> x = mx.sym.var("x")
    >>> y = mx.sym.FullyConnected(x, num_hidden=3, name="fc") + 1
    >>> y.list_arguments(), y.list_outputs()
    (['x', 'fc_weight', 'fc_bias'], ['_plus_scalar0_output'])
    """

    __slots__ = ("heads",)

    def __init__(self, heads: Sequence[Output]) -> None:
        self.heads = tuple(heads)

    # --- structure -----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """The name of the output's node, or None if the symbol has several outputs."""
        return self.heads[0][0].name if len(self.heads) == 1 else None

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(node.name for node, _ in self.heads))
        return f"<Symbol {names if len(self.heads) == 1 else f'group [{names}]'}>"

    def __len__(self) -> int:
        return len(self.heads)

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol([head]) for head in self.heads)

    def _forward(self, block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a hybrid block's `hybrid_forward` with ``F = lamina.symbol`` and its parameters as variables."""
        from lamina.mxnet import symbol

        variables = {name: parameter.var() for name, parameter in block._reg_params.items()}
        with symbol.prefixed(block.prefix, block._node):
            return block.hybrid_forward(symbol, *args, **kwargs, **variables)

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
        """The attribute `key` of the output's node, or None.

        MXNet's attributes are found with or without underscores, as ``lr_mult`` or ``__lr_mult__``.
        """
        if len(self.heads) != 1:
            return None
        noted = self.heads[0][0].attributes
        return noted.get(key, noted.get(f"__{key}__", noted.get(key.strip("_"))))

    def list_attr(self) -> dict[str, str]:
        """The attributes of the output's node, or {} if the symbol has several outputs."""
        return dict(self.heads[0][0].attributes) if len(self.heads) == 1 else {}

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """The attributes of all nodes that have any, by node name."""
        return {node.name: dict(node.attributes) for node in nodes_of(self.heads) if node.attributes}

    def replaced(self, variables: Mapping[str, Output]) -> Symbol:
        """The same network with the named variables replaced by outputs of other nodes."""
        made: dict[int, Node] = {}
        for node in nodes_of(self.heads):
            inputs = [
                variables.get(x.name, (made[id(x)], i)) if x.operator is None else (made[id(x)], i)
                for x, i in node.inputs
            ]
            same = all(x is y for (x, _), (y, _) in zip(inputs, node.inputs, strict=True))
            made[id(node)] = node if same else Node(node.operator, node.name, node.attributes, inputs)
        return Symbol([(made[id(node)], i) for node, i in self.heads])

    # --- files ---------------------------------------------------------------------------------------------------

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """The JSON text that `save` writes."""
        from lamina.mxnet.symbol._file import text_of

        return text_of(self.heads)

    def save(self, fname: str | os.PathLike[str], remove_amp_cast: bool = True) -> None:
        """Write all nodes, without parameter values, to a file that MXNet's ``mx.sym.load`` reads.

        The file is replaced atomically.
        """
        from lamina.mxnet.symbol._file import write_symbol

        write_symbol(fname, self.heads)

    # --- operators -----------------------------------------------------------------------------------------------

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        from lamina.mxnet.symbol._file import symbol_of

        return symbol_of, (self.tojson(), "a pickled symbol")

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
        from lamina.mxnet.symbol.computing import inferred

        return inferred(self, *shapes, **named)

    def eval(self, ctx: Any = None, **arrays: Any) -> list[Any]:
        """Compute the outputs from an array for each variable, passed by name, on the arrays' device.

        >>> import lamina as mx
        >>> (mx.sym.var("x") * 2).eval(x=mx.nd.array([1, 2]))[0].asnumpy()
        array([2., 4.], dtype=float32)
        """
        from lamina.mxnet.symbol.computing import evaluated

        return evaluated(self.heads, arrays)

    def __getattr__(self, name: str) -> Any:
        """The methods of arrays; ``x.sum(axis=1)`` is ``F.sum(x, axis=1)``."""
        from lamina.mxnet.symbol._functions import method

        if name.startswith("_"):
            raise AttributeError(name)
        if name in _OF_ARRAYS:
            _no_values(f".{name}", _OF_ARRAYS[name])
        if name in _OF_EXECUTORS:
            raise AttributeError(
                f"Symbol.{name}: lamina has no executors. gluon.SymbolBlock(symbol, inputs) computes a symbol"
            )
        return method(self, name)


TYPE_FLAGS = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")
"""Dtypes, indexed by MXNet's numeric codes, as in a variable's ``__dtype__``."""

_OF_ARRAYS = {
    "shape": "codes in F.reshape (0, -1, -2 …), or F.reshape_like",
    "size": "F.mean in place of a division by it",
    "ndim": "negative axes",
    "dtype": "F.cast",
    "context": "F alone, without contexts",
    "ctx": "F alone, without contexts",
    "asnumpy": "operators of F",
    "asscalar": "operators of F",
    "item": "operators of F",
    "as_in_context": "F alone, without contexts",
    "grad": "autograd on arrays",
    "attach_grad": "autograd on arrays",
    "backward": "autograd on arrays",
}
_OF_EXECUTORS = (
    "bind",
    "simple_bind",
    "infer_shape_partial",
    "infer_type",
    "gradient",
)


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
