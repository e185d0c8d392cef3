"""Emission of map kernels, in which each result element is computed independently."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lamina.compiler.emit.scope import Axis, Scope, ThreadScope, flat_axes, flat_position, is_made_of_flat
from lamina.compiler.llvm import FLOAT64, UINT64, Builder, Pointer, Value, random
from lamina.compiler.passes.graph import Node
from lamina.core.lowering import Elementwise, Reshape, Scatter


def emit_map(scope: ThreadScope) -> None:
    """Emit vectorized loops over the domain; a single loop if all operands have the domain's shape."""
    kernel = scope.kernel
    domain = kernel.domain
    if len(domain) == 0:
        scope.each((), lambda index: scope.element(index, 1))
        return
    if _emit_join(scope):
        return
    first = scope.share("rows", domain[0])
    if scope.partition.kind == "rows" and len(domain) > 1 and is_flat(scope):
        inner = math.prod(domain[1:])
        _flat_loop(scope, first[0] * inner, first[1] * inner)
        return
    lanes = scope.vector_lanes(kernel.members, domain[-1])
    if len(domain) == 1:
        _last_axis(scope, [], first, lanes, is_whole=scope.is_whole("rows", domain[0], lanes))
        return
    columns, is_whole = scope.share("columns", domain[-1]), scope.is_whole("columns", domain[-1], lanes)
    scope.nest(
        domain[:-1], lambda outer: _last_axis(scope, outer, columns, lanes, is_whole=is_whole), first=first
    )


def _last_axis(
    scope: ThreadScope, outer: list[Axis], bounds: tuple[Value, Value], lanes: int, *, is_whole: bool
) -> None:
    def body(i: Value, width: int) -> None:
        scope.element([*outer, scope.axis(i, 1)], width)

    scope.b.vector_loop(*bounds, lanes, body, is_whole=is_whole)


def _flat_loop(scope: ThreadScope, start: Value, stop: Value) -> None:
    """Emit a single loop over the flattened domain, in which every node's index is the position in memory."""
    kernel = scope.kernel
    lanes = scope.vector_lanes(kernel.members, 1 << 20)

    def body(i: Value, width: int) -> None:
        scope.element(flat_axes(scope.b, scope.axis(i, 1), kernel.domain), width)

    is_whole = scope.is_whole("rows", math.prod(kernel.domain), lanes)
    scope.b.vector_loop(start, stop, lanes, body, is_whole=is_whole)


def is_flat(scope: Scope) -> bool:
    """Whether a kernel's domain can be flattened to one axis."""
    return is_made_of_flat(scope.kernel.stores, scope.kernel.domain, scope.memory)


# --- Joined arrays: a loop for each part, instead of a selection among all parts for every element -------------------


_FEWEST_PARTS = 3


def _emit_join(scope: ThreadScope) -> bool:
    """Emit a kernel that concatenates arrays, with a loop for each array; returns False for other kernels.

    Also returns False for fewer than three arrays along an axis before the last. There the usual loops select the array
    cheaply, since all lanes read the same array.
    """
    joined = _joined(scope)
    if joined is None:
        return False
    is_last = joined.params["axis"] == len(joined.shape) - 1
    if len(joined.inputs) < _FEWEST_PARTS and not is_last:
        return False
    with scope.on_one_worker_if_serial():
        extents = {"rows": joined.shape[0], "columns": joined.shape[-1]}
        shares = {kind: scope.share(kind, n) for kind, n in extents.items()}
        start = 0
        for part in joined.inputs:
            if part.size:
                _emit_part(scope, joined, part, start, shares)
            start += part.shape[joined.params["axis"]]
    return True


def _joined(scope: ThreadScope) -> Node | None:
    """The concatenation that a kernel reads only at the index that it computes; None if there are none or several."""
    found: dict[Node, bool] = {}
    seen: set[tuple[Node, bool]] = set()
    stack = [(node, True) for node in scope.kernel.stores]
    while stack:
        node, is_own = stack.pop()
        is_own = is_own and node.shape == scope.kernel.domain
        if (node, is_own) in seen or scope.memory.find(node) is not None:
            continue
        seen.add((node, is_own))
        if node.is_op("concat"):
            found[node] = found.get(node, True) and is_own
        is_own = is_own and isinstance(node.lowering, Elementwise)
        stack.extend((x, is_own) for x in node.inputs)
    joins = [node for node, is_own in found.items() if is_own]
    return joins[0] if len(joins) == 1 else None


def _emit_part(
    scope: ThreadScope, joined: Node, part: Node, start: int, shares: Mapping[str, tuple[Value, Value]]
) -> None:
    """Emit the loop for one of the concatenated arrays, `start` along the axis, within the worker's `shares`."""
    axis, shape = joined.params["axis"], part.shape
    last = len(shape) - 1

    def share(kind: str, of: int) -> tuple[Value, Value]:
        return _inside(scope, shares[kind], start, shape[of]) if of == axis else shares[kind]

    rows = share("rows", 0)
    source = part
    while isinstance(source.lowering, Reshape) and scope.memory.find(source) is None:
        source = source.inputs[0]
    is_alone = axis == 0 and scope.kernel.stores == [joined] and scope.partition.kind != "columns"
    if is_alone and is_made_of_flat([source], source.shape, scope.memory):
        _flat_part(scope, joined, source, start, rows)
        return

    def along_last(outer: list[Axis]) -> None:
        def body(i: Value, width: int) -> None:
            index = [*outer, scope.axis(i, 1)]
            value = scope.evaluator(width).at(part, index)
            index[axis] = index[axis] + start
            scope.element(index, width, {joined: value})

        columns = share("columns", last) if last else rows
        scope.b.vector_loop(*columns, scope.vector_lanes(scope.kernel.members, shape[last]), body)

    scope.nest(shape[:-1], along_last, first=rows if last else None)


def _flat_part(scope: ThreadScope, joined: Node, source: Node, start: int, rows: tuple[Value, Value]) -> None:
    inner = math.prod(joined.shape[1:])

    def body(i: Value, width: int) -> None:
        position = scope.axis(i, 1)
        value = scope.evaluator(width).at(source, flat_axes(scope.b, position, source.shape))
        scope.store(joined, value, flat_axes(scope.b, position + start * inner, joined.shape), width)

    lanes = scope.vector_lanes([joined, source], source.size)
    scope.b.vector_loop(rows[0] * inner, rows[1] * inner, lanes, body)


def _inside(scope: ThreadScope, bounds: tuple[Value, Value], start: int, length: int) -> tuple[Value, Value]:
    """The intersection of `bounds` with range(start, start + length), relative to `start`."""
    b = scope.b
    first, stop = (b.maximum(b.minimum(b.sub(bound, start), length), 0) for bound in bounds)
    return first, stop


# --- Fill kernels: random numbers in blocks of four 64-bit words (Philox4x64-10, Salmon et al., 2011) ----------------


_SIDE_BY_SIDE = 4  # blocks computed at once, since one block is a long chain of multiplications


def emit_fill(scope: ThreadScope) -> None:
    """Emit a kernel that fills an array with random numbers, which depend on a seed and a stream number."""
    b = scope.b
    (node,) = scope.kernel.stores
    values = scope.evaluator(1)
    seed, stream = (b.bitcast(values.at(x, []), UINT64) for x in node.inputs)
    per_block = random.numbers_in_block(node.dtype)
    whole = node.size // per_block
    start, stop = scope.share("flat", scope.partition.extent)
    last = b.minimum(stop, whole)
    side_by_side = b.sub(last, b.bit_and(b.maximum(b.sub(last, start), 0), _SIDE_BY_SIDE - 1))

    def write(first: Value, blocks: int, count: int) -> None:
        for words, block in _blocks(b, seed, stream, first, blocks):
            _store(scope, node, words, b.mul(block, per_block), count)

    with b.loop(start, side_by_side, _SIDE_BY_SIDE) as first:
        write(first, _SIDE_BY_SIDE, per_block)
    with b.loop(b.maximum(side_by_side, start), last) as first:
        write(first, 1, per_block)
    rest = node.size - whole * per_block
    if rest:
        with b.if_(b.logical_and(b.greater(stop, whole), b.less_equal(start, whole))):
            write(b.const(whole), 1, rest)


def _blocks(
    b: Builder, seed: Value, stream: Value, first: Value, count: int
) -> list[tuple[list[Value], Value]]:
    """The random words of `count` blocks from number `first` on, each with the block's number."""
    numbers = [b.add(first, i) for i in range(count)]
    written = random.philox_block if count == _SIDE_BY_SIDE else random.short_philox_block
    given = [random.key_and_counter(b, seed, stream, number) for number in numbers]
    return [(written(b, *one), number) for one, number in zip(given, numbers, strict=True)]


def _store(scope: ThreadScope, node: Node, words: list[Value], position: Value, count: int) -> None:
    """Convert a block's words to the node's dtype, and store the first `count` numbers at `position`."""
    b, dtype = scope.b, node.dtype
    for pointer in scope.targets[node]:
        if dtype == FLOAT64:
            for i, word in enumerate(words[:count]):
                b.store(pointer, random.uniform(b, word, dtype), b.add(position, i))
            continue
        pieces = b.bitcast(b.gather_lanes(words), random.piece_of(dtype))  # the lowest bits first
        b.store(pointer, b.narrow(random.uniform(b, pieces, dtype), count), position)


# --- Scatter kernels: zeros, with elements added or written at positions given by data -------------------------------


def emit_scatter(scope: ThreadScope) -> None:
    """Emit a scatter on one thread and in order, since several elements may have the same target."""
    anchor = scope.kernel.main
    b = scope.b
    with scope.on_one_worker_if_serial():
        lanes, domain = b.lanes(anchor.dtype), scope.kernel.domain
        for pointer in scope.targets[anchor]:

            def clear(i: Value, width: int, pointer: Pointer = pointer) -> None:
                b.store(pointer, b.const(0, anchor.dtype, width), i)

            b.vector_loop(0, anchor.size, lanes, clear)
        if not domain:
            _add(scope, [], 1)
            return
        vectors = lanes if _rows_stay_together(scope, lanes) else 1

        def row(outer: list[Axis]) -> None:
            def add(i: Value, width: int) -> None:
                _add(scope, [*outer, scope.axis(i, 1 if vectors > 1 else 0)], width)

            b.vector_loop(0, domain[-1], vectors, add)

        scope.nest(domain[:-1], row)


def scatter_target(scope: Scope, index: list[Axis], lanes: int) -> list[Axis]:
    """The result's index to which an element of the first input is scattered."""
    anchor = scope.kernel.main
    assert isinstance(anchor.lowering, Scatter)
    return scope.evaluator(lanes).pulled(anchor.lowering.index, anchor, index)


def _position(scope: Scope, index: list[Axis], lanes: int) -> Axis:
    return flat_position(scope.b, scatter_target(scope, index, lanes), scope.kernel.main.shape, lanes)


def _rows_stay_together(scope: Scope, lanes: int) -> bool:
    """Whether neighbouring elements along the last axis have neighbouring targets."""
    if scope.kernel.domain[-1] < lanes:
        return False
    with scope.trial():
        index = [Axis.at(scope.b, 0) for _ in scope.kernel.domain[:-1]]
        position = _position(scope, [*index, scope.axis(scope.b.const(0), 1)], lanes)
    return position.vector is None and position.step == 1


def _add(scope: Scope, index: list[Axis], lanes: int) -> None:
    anchor, b = scope.kernel.main, scope.b
    assert isinstance(anchor.lowering, Scatter)
    value = scope.evaluator(lanes).vector_at(anchor.inputs[0], index)
    position = _position(scope, index, lanes)
    for pointer in scope.targets[anchor]:
        if anchor.lowering.adds:
            b.store(pointer, b.add(b.load(pointer, anchor.dtype, position.base, lanes), value), position.base)
        else:
            b.store(pointer, value, position.base)
