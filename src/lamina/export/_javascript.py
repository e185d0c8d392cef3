"""JavaScript for a function of arrays, emitted from the function's graph.

Each operator's lowering, which otherwise emits machine code, emits JavaScript through another builder. So this module
defines only element operations; if JavaScript lacks an operation, the error names the operator.

Every operation rounds to its dtype, float32 by ``Math.fround``. Products and sums accumulate in double precision and
round once. Integers are exact up to 2⁵³.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np

from lamina.compiler.emit.scope import Axis, Evaluator, Memory, flat_position
from lamina.compiler.front.graphs import FunctionGraph, compilable_graph, with_known_values
from lamina.compiler.llvm import BOOL, FLOAT32, FLOAT64, INDEX, INT32, Builder, DType, Operand, Pointer, Value
from lamina.compiler.passes.fuse import only_moves_ones
from lamina.compiler.passes.graph import Input, Node, users_of
from lamina.compiler.passes.simplify import simplify
from lamina.core.lowering import ArgReduction, Contraction, Elementwise, Movement, Pull, Reduction, Reshape
from lamina.core.primitive import Primitive
from lamina.errors import LaminaError
from lamina.nd.ndarray import NDArray
from lamina.primitives.elementwise import UNARY

_HELD_AS = {"bool": "u1", "uint8": "u1", "int32": "i4", "int64": "f8", "float32": "f4", "float64": "f8"}
"""The names in network.js of JavaScript's typed arrays, by NumPy dtype."""


@dataclass(frozen=True)
class Script:
    """A JavaScript function with its constants.

    Attributes:
        text: ``v => () => …``: the outer function takes all arrays, the inner function computes the results in place.
        arrays: for each array the element type, the size, and for a constant the offset in `content`, in bytes.
            The arguments come first.
        content: the constants, little-endian.
        results: indices of the results in `arrays`.
    """

    text: str
    arrays: list[tuple[str, int, int] | tuple[str, int]]
    content: bytes
    results: list[int]


def script_of(function: Callable[..., Any], arguments: Sequence[NDArray]) -> Script:
    """Translate a function to JavaScript, for arguments with the shapes and dtypes of `arguments`.

    Raises:
        TraceError: the function draws random numbers, changes arrays, or has no compiled form.
        LaminaError: an operator has no JavaScript form.

    >>> from lamina import nd
    >>> weight = nd.ones((3, 2))
    >>> script = script_of(lambda x: nd.relu(nd.dot(x, weight)), [nd.zeros((1, 3))])
    >>> print(script.text)
    v=>{
    const k0=(o,p0,n0)=>{for(let i0=0;i0<n0;i0++){const t0=p0[i0],t1=max(t0,0);o[i0]=t1;}};
    return ()=>{
    product(v[2],v[0],v[1],1,1,3,2);
    k0(v[3],v[2],2);
    };}
    """
    return _Emission(_simplified(compilable_graph(function, arguments)), len(arguments)).script()


# --- the graph -----------------------------------------------------------------------------------------------------


def _simplified(found: FunctionGraph) -> FunctionGraph:
    """Simplify a graph, and replace nodes that depend on no argument by constants."""

    def better(node: Node, inputs: list[Node]) -> Node:
        node = node.with_inputs(inputs)
        if not node.is_op("same_exp"):
            return node
        # The simplified form uses bit operations, which JavaScript has only for integers.
        return Node(UNARY["exp"], node.inputs, {}, node.shape, node.dtype)

    return with_known_values(replace(found, graph=simplify(found.graph).rewritten(better)))


class _Emission:
    """Translation of a graph: nodes that need memory become function calls, others are computed inline."""

    def __init__(self, found: FunctionGraph, arguments: int) -> None:
        self._graph, self._contents = found.graph, found.contents
        self._users = users_of(found.graph.nodes())
        self._pointers: dict[Node, Pointer] = {}
        self._memory = Memory(self._pointers)
        self._kernels: dict[str, str] = {}
        self._calls: list[str] = []
        self._arrays: list[tuple[str, int, int] | tuple[str, int]] = []
        self._content = bytearray()
        for shape, dtype in found.graph.inputs[:arguments]:
            self._array(math.prod(shape), dtype)

    def script(self) -> Script:
        for node in self._graph.nodes():
            if isinstance(node.op, Input) and node.op.slot in self._contents:
                self._place(node, self._contents[node.op.slot])
            elif isinstance(node.op, Input):
                self._pointers[node] = Pointer(f"v[{node.op.slot}]")
            elif self._is_stored(node):
                self._emit(node)
        kernels = "".join(f"const {name}={text};\n" for text, name in self._kernels.items())
        text = f"v=>{{\n{kernels}return ()=>{{\n{''.join(self._calls)}}};}}"
        results = [int(self._pointer(node)[2:-1]) for node in self._graph.results]
        return Script(text, self._arrays, bytes(self._content), results)

    # --- memory ------------------------------------------------------------------------------------------------------

    def _array(self, size: int, dtype: DType, content: np.ndarray | None = None) -> int:
        """Add an array, a constant if `content` is not None; return its index."""
        if dtype.name not in _HELD_AS:
            raise LaminaError(
                f"arrays of {dtype} cannot be exported to a page; convert them with astype('float32')"
            )
        kind = _HELD_AS[dtype.name]
        if content is None:
            self._arrays.append((kind, size))
        else:
            self._content += bytes(-len(self._content) % int(kind[1]))  # aligns arrays with their elements
            self._arrays.append((kind, size, len(self._content)))
            self._content += content.astype(f"<{kind}").tobytes()
        return len(self._arrays) - 1

    def _place(self, node: Node, content: np.ndarray | None = None) -> Pointer:
        """Allocate an array for a node's result; return the pointer to the array."""
        pointer = Pointer(f"v[{self._array(node.size, node.dtype, content)}]")
        self._pointers[node] = pointer
        return pointer

    def _pointer(self, node: Node) -> str:
        pointer = self._memory.find(node)
        assert pointer is not None, node
        return pointer.name

    def _is_stored(self, node: Node) -> bool:
        """Whether a node needs memory, since it is not elementwise, or is read as an array or repeatedly."""
        if not isinstance(node.op, Primitive) or isinstance(node.lowering, Reshape):
            return False
        if not isinstance(node.lowering, Elementwise | Movement | Pull) or node.is_op("concat"):
            return True
        if self._is_read_as_array(node):
            return True
        readers = self._readers(node)
        alike = (isinstance(one.lowering, Elementwise) and one.shape == node.shape for one in readers)
        is_repeated = len(readers) > 1 and not all(alike)
        is_spread = any(reader.size > node.size and not reader.is_op("concat") for reader in readers)
        return (is_repeated or is_spread) and not isinstance(node.lowering, Movement)

    def _is_read_as_array(self, node: Node) -> bool:
        """Whether a product, a reshape or the caller reads the array of a node."""
        return node in self._graph.results or any(map(self._reads_array, self._users[node]))

    def _reads_array(self, user: Node) -> bool:
        if isinstance(user.lowering, Reshape):
            return not only_moves_ones(user) or self._is_read_as_array(user)
        return isinstance(user.lowering, Contraction)

    def _readers(self, node: Node) -> list[Node]:
        """The nodes that compute with a node's elements, directly or through movement operators."""
        found: list[Node] = []
        for user in self._users[node]:
            found += self._readers(user) if isinstance(user.lowering, Movement | Reshape) else [user]
        return found

    # --- calls -------------------------------------------------------------------------------------------------------

    def _emit(self, node: Node) -> None:
        match node.lowering:
            case Contraction():
                self._product(node)
            case Reduction():
                self._reduction(node, node.lowering)
            case ArgReduction():
                self._arg_reduction(node, node.lowering)
            case Pull() if node.is_op("concat"):
                self._concat(node)
            case Elementwise() | Movement() | Pull():
                kernel = _Kernel(self._memory)
                index = kernel.nest(node.shape)
                kernel.store(kernel.at(node, index), index, node.shape)
                self._call(kernel, self._place(node))
            case _:
                raise _error(node)

    def _call(self, kernel: _Kernel, out: Pointer) -> None:
        name = self._kernels.setdefault(kernel.text(), f"k{len(self._kernels)}")
        self._calls.append(f"{name}({','.join([out.name, *kernel.arguments()])});\n")

    def _product(self, node: Node) -> None:
        (*batches, rows, inner), columns = node.inputs[0].shape, node.shape[-1]
        if any(node.params.values()):
            raise _error(node, "products of transposed matrices")
        operands = [self._pointer(x) for x in node.inputs]
        sizes = map(str, (math.prod(batches), rows, inner, columns))
        self._calls.append(f"product({','.join([self._place(node).name, *operands, *sizes])});\n")

    def _concat(self, node: Node) -> None:
        """Emit a call for each input, which writes the input at its offset in the result."""
        out, axis, start = self._place(node), node.params["axis"], 0
        for part in node.inputs:
            kernel = _Kernel(self._memory)
            index = kernel.nest(part.shape)
            value = kernel.at(part, index)
            kernel.store(value, [*index[:axis], index[axis] + start, *index[axis + 1 :]], node.shape)
            self._call(kernel, out)
            start += part.shape[axis]

    def _reduction(self, node: Node, by: Reduction) -> None:
        (x,) = node.inputs
        kernel, axes = _Kernel(self._memory), node.params["axis"]
        kept = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
        index = kernel.nest(kept)
        total = Value(kernel, "s", FLOAT64 if x.dtype == FLOAT32 else x.dtype)
        kernel.lines.append(f"let s={kernel.const(by.initial(x.dtype), total.dtype).name};")
        depth = kernel.depth
        whole = [kernel.loop(n) if axis in axes else index[axis] for axis, n in enumerate(x.shape)]
        kernel.lines.append(f"s={by.combine(kernel, total, kernel.at(x, whole)).name};")
        kernel.close(depth)
        kernel.store(total, index, kept)
        self._call(kernel, self._place(node))

    def _arg_reduction(self, node: Node, by: ArgReduction) -> None:
        (x,) = node.inputs
        kernel, axis = _Kernel(self._memory), node.params["axis"]
        kept = [*x.shape[:axis], 1, *x.shape[axis + 1 :]]
        index = kernel.nest(kept)
        kernel.lines.append("let s=0,m;")
        depth, line = kernel.depth, kernel.loop(x.shape[axis])
        value = kernel.at(x, [*index[:axis], line, *index[axis + 1 :]])
        better = by.better(kernel, value, Value(kernel, "m", x.dtype))
        kernel.lines.append(f"if({line.base.name}===0||{better.name}){{m={value.name};s={line.base.name};}}")
        kernel.close(depth)
        kernel.store(Value(kernel, "s", node.dtype), index, kept)
        self._call(kernel, self._place(node))


def _error(node: Node, lacking: str = "") -> LaminaError:
    return LaminaError(
        f"the operator {node.op.name!r} cannot be exported to a page, whose JavaScript does not support "
        f"{lacking or 'it'}; use other operators"
    )


# --- one element ---------------------------------------------------------------------------------------------------

_EXACT = {
    "neg": "-{0}", "abs": "abs({0})", "sign": "sign({0})", "floor": "floor({0})", "ceil": "ceil({0})",
    "trunc": "trunc({0})", "maximum": "max({0},{1})", "minimum": "min({0},{1})", "where": "{0}?{1}:{2}",
    "divide_trunc": "{1}==0?0:trunc({0}/{1})",
}  # fmt: skip
_ROUNDED = {
    "add": "{0}+{1}", "sub": "{0}-{1}", "mul": "{0}*{1}", "div": "{0}/{1}", "power": "{0}**{1}",
    "arctan2": "atan2({0},{1})", "hypot": "hypot({0},{1})", "rsqrt": "1/sqrt({0})", "sigmoid": "1/(1+exp(-{0}))",
    "arcsin": "asin({0})", "arccos": "acos({0})", "arctan": "atan({0})", "arcsinh": "asinh({0})",
    "arccosh": "acosh({0})", "arctanh": "atanh({0})",
    **{
        name: f"{name}({{0}})"
        for name in (
            "cbrt", "cos", "cosh", "erf", "exp", "expm1", "log", "log10", "log1p", "log2", "sin", "sinh", "sqrt",
            "tan", "tanh",
        )
    },
}  # fmt: skip
_TRUTHS = {
    "equal": "{0}=={1}", "not_equal": "{0}!={1}", "greater": "{0}>{1}", "greater_equal": "{0}>={1}",
    "less": "{0}<{1}", "less_equal": "{0}<={1}", "logical_and": "{0}!=0&&{1}!=0", "logical_or": "{0}!=0||{1}!=0",
    "logical_xor": "{0}!=0!=({1}!=0)",
}  # fmt: skip
"""JavaScript for comparisons; `_EXACT` and `_ROUNDED` are for element operations without and with rounding."""


class _Kernel:
    """A JavaScript function ``(o, p0, …, n0, …) => { … }`` that writes the array o in nested loops.

    Lowerings use this class as their builder. The arrays p and the numbers n are parameters, so that similar layers
    share a function.
    """

    def __init__(self, memory: Memory) -> None:
        self.lines: list[str] = []
        self._memory = memory
        self._arrays: dict[str, str] = {}
        self._numbers: list[str] = []
        self._values = self.depth = 0

    def text(self) -> str:
        numbers = [f"n{i}" for i in range(len(self._numbers))]
        parameters = ",".join(["o", *self._arrays.values(), *numbers])
        return f"({parameters})=>{{{''.join(self.lines)}{'}' * self.depth}}}"

    def arguments(self) -> list[str]:
        """The arguments of a call, after the output array."""
        return [*self._arrays, *self._numbers]

    # --- loops -------------------------------------------------------------------------------------------------------

    def loop(self, size: int) -> Axis:
        """Open a loop over an axis and return the index; `close`, or the function's end, closes the loop."""
        if size == 1:
            return Axis.at(self._builder, 0)
        i = f"i{self.depth}"
        self.lines.append(f"for(let {i}=0;{i}<{self.const(size, INDEX).name};{i}++){{")
        self.depth += 1
        return Axis(self._builder, Value(self, i, INDEX))

    def nest(self, shape: Sequence[int]) -> list[Axis]:
        return [self.loop(size) for size in shape]

    def close(self, depth: int) -> None:
        """Close the innermost loops until `depth` loops are open."""
        self.lines.append("}" * (self.depth - depth))
        self.depth = depth

    def at(self, node: Node, index: Sequence[Axis]) -> Value:
        """Emit the value of a node's element; a node without memory is computed inline."""
        return _Evaluator(self._builder, self._memory, 1, {}).at(node, index)

    def store(self, value: Value, index: Sequence[Axis], shape: Sequence[int]) -> None:
        self.lines.append(f"o[{flat_position(self._builder, index, shape, 1).base.name}]={value.name};")

    @property
    def _builder(self) -> Builder:
        return cast("Builder", self)

    # --- the builder's methods for lowerings -------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Callable[..., Value]:
        if name not in _EXACT and name not in _ROUNDED and name not in _TRUTHS:
            raise _LackingError(name)
        return partial(self._operation, name)

    def _operation(self, name: str, *operands: Operand) -> Value:
        typed = operands[1:] if name == "where" else operands
        dtype = next(x.dtype for x in (*typed, *operands) if isinstance(x, Value))
        texts = [(x if isinstance(x, Value) else self.const(x, dtype)).name for x in operands]
        if name in _TRUTHS:
            return self._named(_TRUTHS[name].format(*texts), BOOL)
        if name in _EXACT:
            return self._named(_EXACT[name].format(*texts), dtype)
        if dtype == BOOL:  # as in NumPy: true and true are not 2
            raise _LackingError(f"{name} of truth values")
        return self._rounded(_ROUNDED[name].format(*texts), dtype)

    def _rounded(self, text: str, dtype: DType) -> Value:
        return self._named(f"f({text})" if dtype == FLOAT32 else text, dtype)

    def _named(self, text: str, dtype: DType) -> Value:
        name = f"t{self._values}"
        self._values += 1
        if self.lines and self.lines[-1].startswith("const "):
            self.lines[-1] = f"{self.lines[-1][:-1]},{name}={text};"
        else:
            self.lines.append(f"const {name}={text};")
        return Value(self, name, dtype)

    def multiply_add(self, x: Operand, y: Operand, z: Operand) -> Value:
        """Emit x · y + z, with two roundings."""
        return self._operation("add", self._operation("mul", x, y), z)

    def cast(self, x: Value, dtype: Any) -> Value:
        """Convert to another dtype; floats become integers by truncation."""
        wanted = np.dtype(dtype)
        if wanted == x.dtype:
            return x
        if wanted == BOOL:
            return self._named(f"{x.name}!=0", BOOL)
        if wanted not in (FLOAT32, FLOAT64, INDEX, INT32):
            raise _LackingError(f"a conversion to {wanted}")
        if x.dtype == BOOL:
            return self._named(f"+{x.name}", wanted)
        if wanted.kind == "i" and x.dtype.kind == "f":
            return self._named(f"trunc({x.name})", wanted)
        return self._rounded(x.name, wanted) if wanted == FLOAT32 else Value(self, x.name, wanted)

    def const(self, value: float, dtype: DType, lanes: int = 1) -> Value:
        """Emit a number: 0 and 1 as literals, other numbers as parameters of the function."""
        number = dtype.type(value).item()
        text = _literal(number)
        if text not in ("0", "1"):
            self._numbers.append(text)
            text = f"n{len(self._numbers) - 1}"
        return Value(self, text, dtype, constant=number)

    def splat(self, x: Value, lanes: int) -> Value:
        return x

    def load_strided(self, pointer: Pointer, dtype: DType, at: Value, step: int, lanes: int) -> Value:
        name = self._arrays.setdefault(pointer.name, f"p{len(self._arrays)}")
        return self._named(f"{name}[{at.name}]", dtype)


class _LackingError(Exception):
    """Raised for an operator without a JavaScript form."""


class _Evaluator(Evaluator):
    def at(self, node: Node, index: Sequence[Axis]) -> Value:
        """Emit the value of a node's element; errors name the operator."""
        try:
            return super().at(node, index)
        except _LackingError as cause:
            raise _error(node, str(cause)) from None


def _literal(number: float) -> str:
    text = repr(float(number)).removesuffix(".0")
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, text)
