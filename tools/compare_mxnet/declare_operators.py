"""Writes ``operators.txt`` and ``aliases.txt`` in ``src/lamina/mxnet/symbol``: MXNet's operators and their arguments.

PYTHON_WITH_MXNET tools/compare_mxnet/declare_operators.py           # writes the files
PYTHON_WITH_MXNET tools/compare_mxnet/declare_operators.py --check   # says whether they are as MXNet has it
"""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

from mxnet.base import _LIB, OpHandle, check_call, mx_uint

_FOLDER = Path(__file__).resolve().parents[2] / "src/lamina/mxnet/symbol"

_UNARY = """
abs arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil cos cosh degrees erf erfinv exp expm1 fix floor
gamma gammaln hard_sigmoid log log10 log1p log2 logical_not negative radians rcbrt reciprocal relu rint round rsqrt
sigmoid sign sin sinh smooth_l1 softsign sqrt square tan tanh trunc _copy Cast amp_cast BlockGrad MakeLoss ones_like
zeros_like shape_array size_array"""
_BINARY = "add sub mul div mod power maximum minimum hypot equal not_equal greater greater_equal lesser lesser_equal"
_LOGIC = "logical_and logical_or logical_xor"
_LAYERS = """Activation BatchNorm Dropout Embedding FullyConnected GroupNorm InstanceNorm
L2Normalization LayerNorm LeakyReLU Softmax SoftmaxActivation
LinearRegressionOutput LogisticRegressionOutput MAERegressionOutput SVMOutput log_softmax make_loss softmax softmin
softmax_cross_entropy"""
_REDUCTIONS = (
    "argmax argmin argmax_channel cumsum max mean min nanprod nansum norm prod sum topk sort argsort"
)
_MOVEMENT = """
Concat Flatten Pad Reshape SliceChannel SwapAxis _split_v2 broadcast_axis broadcast_like broadcast_to clip
diag expand_dims repeat reshape_like reverse slice slice_axis slice_like squeeze stack tile transpose"""
_LOOKUP = "_unravel_index _ravel_multi_index batch_take gather_nd one_hot pick scatter_nd take where"
_PRODUCTS = """batch_dot dot khatri_rao add_n _linalg_gemm _linalg_gemm2 _linalg_syrk _linalg_det _linalg_extractdiag
_linalg_extracttrian _linalg_gelqf _linalg_inverse _linalg_makediag _linalg_maketrian _linalg_potrf _linalg_potri
_linalg_slogdet _linalg_sumlogdiag _linalg_syevd _linalg_trmm _linalg_trsm"""
_MADE = "_arange _eye _full _ones _zeros"
_RANDOM = """_random_exponential _random_gamma _random_negative_binomial _random_normal _random_normal_like
_random_poisson _random_randint _random_uniform _random_uniform_like _sample_exponential _sample_gamma
_sample_multinomial _sample_negative_binomial _sample_normal _sample_poisson _sample_uniform _shuffle"""
_MORE = """moments SequenceLast SequenceMask SequenceReverse _contrib_arange_like _contrib_div_sqrt_dim
_contrib_gradientmultiplier _contrib_index_copy _contrib_interleaved_matmul_encdec_qk
_contrib_interleaved_matmul_encdec_valatt _contrib_interleaved_matmul_selfatt_qk
_contrib_interleaved_matmul_selfatt_valatt _contrib_quadratic"""


def _wanted() -> list[str]:
    groups = [_UNARY, _LAYERS, _REDUCTIONS, _MOVEMENT, _LOOKUP, _PRODUCTS, _MADE, _RANDOM, _MORE]
    names = " ".join(groups).split()
    for name in (_BINARY + " " + _LOGIC).split():
        names.append(f"broadcast_{name}")
        names.append(f"elemwise_{name}" if name in ("add", "sub", "mul", "div") else f"_{name}")
        names.append({"add": "_plus_scalar", "sub": "_minus_scalar"}.get(name, f"_{name}_scalar"))
    return [*names, "_rminus_scalar", "_rdiv_scalar", "_rmod_scalar", "_rpower_scalar"]


def _information(name: str) -> tuple[str, list[tuple[str, str]]]:
    """The name under which files have the operator, and its arguments with their types."""
    handle = OpHandle()
    check_call(_LIB.NNGetOpHandle(name.encode(), ctypes.byref(handle)))
    texts = [ctypes.c_char_p() for _ in range(4)]
    lists = [ctypes.POINTER(ctypes.c_char_p)() for _ in range(3)]
    count = mx_uint()
    real, description, variadic, returned = map(ctypes.byref, texts)
    check_call(
        _LIB.MXSymbolGetAtomicSymbolInfo(
            handle, real, description, ctypes.byref(count), *map(ctypes.byref, lists), variadic, returned
        )
    )
    pairs = [(lists[0][i].decode(), lists[1][i].decode()) for i in range(count.value)]
    return texts[0].value.decode(), pairs


def _all_names() -> list[str]:
    names, count = ctypes.POINTER(ctypes.c_char_p)(), mx_uint()
    check_call(_LIB.MXListAllOpNames(ctypes.byref(count), ctypes.byref(names)))
    return sorted(names[i].decode() for i in range(count.value))


_KINDS = {
    "int": "int", "int (non-negative)": "int", "long": "int", "long (non-negative)": "int", "int or None": "int?",
    "float": "float", "double": "float", "float or None": "float?", "double or None": "float?", "boolean": "bool",
    "boolean or None": "bool?", "Shape(tuple)": "shape", "Shape or None": "shape?", "string": "str",
}  # fmt: skip


def _kind(described: str) -> str:
    choices = re.match(r"\{(.*?)\}", described)
    if choices is None:
        kind = _KINDS[described.partition(",")[0]]
    else:
        found = re.findall(r"'(.*?)'", choices.group(1))
        kind = "dtype" if "float32" in found else "|".join(choice for choice in found if choice != "None")
        kind += "?" * ("None" in found)
    default = re.search(r"default=(.*)$", described)
    if default is None:
        return kind
    value = default.group(1).strip("'").replace("[]", "()")
    if value == "None" and not kind.endswith("?"):
        kind += "?"
    if kind in ("bool", "bool?"):
        value = {"0": "False", "1": "True"}.get(value, value)
    return f"{kind}={value}"


def _declared(name: str) -> str:
    """The line of an operator; arrays come first, as in the functions that MXNet makes of operators."""
    arguments = []
    for argument, described in _information(name)[1]:
        if described.startswith("NDArray"):
            arguments.append("*" * ("[]" in described) + argument)
        else:
            arguments.append(f"{argument}:{_kind(described)}")
    return " ".join([name, *sorted(arguments, key=lambda argument: ":" in argument)])


def tables() -> dict[str, str]:
    """The contents of the files by their names."""
    wanted = sorted({_information(name)[0] for name in _wanted()})
    aliases = {name: _information(name)[0] for name in _all_names()}
    listed = [f"{n} {real}" for n, real in aliases.items() if n != real and real in wanted]
    listed = [line for line in listed if not line.startswith(("_np", "_contrib", "_sparse"))]
    lines = {"operators.txt": map(_declared, wanted), "aliases.txt": listed}
    return {name: "".join(f"{line}\n" for line in each) for name, each in lines.items()}


if __name__ == "__main__":
    for name, text in tables().items():
        file = _FOLDER / name
        if "--check" not in sys.argv:
            file.write_text(text)
        elif file.read_text() != text:
            sys.exit(f"{file} is not as MXNet has it; run this without --check")
