"""MXNet's ``mx.visualization`` (``mx.viz``), which shows a symbol's operators as a table or a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from lamina.mxnet.symbol import Symbol
from lamina.mxnet.symbol.graph import Node, nodes_of
from lamina.support.extras import require
from lamina.support.unsupported import names_of_others

__all__ = ["plot_network", "print_summary"]

Shapes = Mapping[str, tuple[int, ...]]


def print_summary(
    symbol: Symbol,
    shape: Mapping[str, tuple[int, ...]] | None = None,
    line_length: int = 120,
    positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0),
) -> None:
    """Print a table of a network's operators, with output shapes, numbers of parameters, and inputs.

    Args:
        symbol: the network.
        shape: the inputs' shapes by name, from which output shapes (printed without the batch axis) and numbers of
            parameters are inferred.
        line_length: the width of the table, in characters.
        positions: the ends of the columns, in characters or as fractions of the width.

    Raises:
        TypeError: `symbol` is not a symbol.
        ValueError: `shape` does not determine all shapes.

    >>> import lamina as mx
    >>> net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    >>> mx.viz.print_summary(net, {"data": (1, 2)}, line_length=60)
    ____________________________________________________________
    Layer (type)              Output ShapeParam Previous Layer
    ============================================================
    data(null)                2           0
    ____________________________________________________________
    fc(FullyConnected)        3           9     data
    ============================================================
    Total params: 9
    ____________________________________________________________
    """
    if not isinstance(symbol, Symbol):
        raise TypeError(
            f"print_summary: needs a Symbol, not {type(symbol).__name__}; net.summary(x) shows a block"
        )
    shapes = {} if shape is None else _shapes(symbol, shape)
    ends = [int(line_length * p) for p in positions] if positions[-1] <= 1 else [int(p) for p in positions]
    print("_" * line_length)
    _print_row(("Layer (type)", "Output Shape", "Param #", "Previous Layer"), ends)
    print("=" * line_length)
    total = 0
    shown = [node for i, node in enumerate(nodes_of(symbol.heads)) if node.operator is not None or i == 0]
    for node in shown:
        parameters = _parameters(node, shapes)
        total += parameters
        for row in _rows(node, shapes, parameters):
            _print_row(row, ends)
        print(("=" if node is shown[-1] else "_") * line_length)
    print(f"Total params: {total}")
    print("_" * line_length)


def plot_network(
    symbol: Symbol,
    title: str = "plot",
    save_format: str = "pdf",
    shape: Mapping[str, tuple[int, ...]] | None = None,
    dtype: Any = None,
    node_attrs: Mapping[str, str] | None = None,
    hide_weights: bool = True,
) -> Any:
    """A drawing of a network's operators, from the inputs on top to the outputs, as a ``graphviz.Digraph``.

    Args:
        title: the name of the file that ``render()`` writes.
        save_format: its format; rendering needs the program ``dot``.
        shape: the inputs' shapes by name, which are written on the arrows, without the batch axis.
        node_attrs: attributes of all nodes, such as ``{"fixedsize": "false"}``.
        hide_weights: whether parameters are left out.

    Raises:
        MissingPackageError: the package graphviz is not installed.
    """
    require("drawing a network", "graphviz")
    drawing = import_module("graphviz").Digraph(name=title, format=save_format)
    drawing.attr("node", shape="box", style="filled", fillcolor="#e8eef7", **(node_attrs or {}))
    shapes = {} if shape is None else _shapes(symbol, shape)
    nodes = nodes_of(symbol.heads)
    hidden = {x.name for of in nodes for x, _ in of.inputs if hide_weights and _is_parameter(x, of)}
    for node in nodes:
        if node.name in hidden:
            continue
        kind = "" if node.operator is None else f"\\n{node.operator.name}"
        setting = next(
            (node.values[key] for key in ("num_hidden", "act_type", "p") if key in node.values), None
        )
        drawing.node(node.name, f"{node.name}{kind}{'' if setting is None else f' {setting}'}")
        for given, i in node.inputs:
            if given.name not in hidden:
                sizes = shapes.get(given.output_names()[i], ())[1:]
                drawing.edge(given.name, node.name, label="×".join(map(str, sizes)))
    return drawing


def _shapes(symbol: Symbol, given: Shapes) -> dict[str, tuple[int, ...]]:
    internals = symbol.get_internals()
    _, outputs, _ = internals.infer_shape(**given)
    if outputs is None:
        raise ValueError(
            "print_summary: shape does not determine the shapes of all arrays (Input shape is incomplete)"
        )
    return dict(zip(internals.list_outputs(), outputs, strict=True))


def _rows(node: Node, shapes: Shapes, parameters: int) -> Iterator[tuple[str, ...]]:
    first, *others = [given.name for given, _ in node.inputs if not _is_parameter(given, node)] or [""]
    kind = "null" if node.operator is None else node.operator.name
    shape = shapes.get(node.output_names()[0], ())[1:]
    yield f"{node.name}({kind})", "x".join(map(str, shape)), str(parameters), first
    yield from (("", "", "", name) for name in others)


def _is_parameter(given: Node, of: Node) -> bool:
    return given.operator is None and given is not of.inputs[0][0]


def _is_trained(given: Node, of: Node) -> bool:
    """Whether `given`, an input of the node `of`, is a weight, not data or a running statistic."""
    if of.operator is None or not _is_parameter(given, of):
        return False
    place = next(i for i, (x, _) in enumerate(of.inputs) if x is given)
    return of.operator.inputs(of.values)[place] not in ("label", *of.operator.auxiliary)


def _parameters(node: Node, shapes: Shapes) -> int:
    """The number of elements of the node's weights."""
    count = 0
    for given, _ in node.inputs:
        if given.name in shapes and _is_trained(given, node):
            count += math.prod(shapes[given.name])
    return count


def _print_row(fields: Sequence[str], ends: Sequence[int]) -> None:
    line = ""
    for text, end in zip(fields, ends, strict=True):
        line = (line + text)[:end].ljust(end)
    print(line.rstrip())


__getattr__ = names_of_others("lamina.visualization")
