"""Edges of operators that dense programs meet: shapes as arrays, errors, fractions, indices beyond the bounds."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

NAMESPACES = ()


def prepare(mx: Any) -> dict[str, Any]:
    """Arrays that the calls may use, made anew for each."""
    array = mx.nd.array
    return {
        "A": array(np.arange(12).reshape(3, 4) / 4 - 1),
        "B": array(np.arange(24).reshape(2, 3, 4) / 8 - 1),
        "V": array([1.0, -2.0, 3.0]),
        "S": array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]]),
        "L": array([[2.0, 0.0, 0.0], [0.5, 1.5, 0.0], [-1.0, 0.3, 1.0]]),
    }


def calls(template: str, *values: tuple[str, ...]) -> list[str]:
    """The template with every combination of values in place of its ``{}``."""
    return [template.format(*chosen) for chosen in product(*values)]


SHAPES = (
    "(2, 3)", "[2, 3]", "np.array([2, 3])", "np.array([2, 3], dtype='int32')", "nd.array([2, 3])", "A.shape[:1]",
    "nd.array([2, 3], dtype='int32')", "np.array([2.0, 3.0])", "(np.int64(2), np.int32(3))", "(2.0, 3.0)", "()", "3",
    "np.int64(3)", "np.array(3)", "(2, -1)", "'(2, 3)'", "None", "(nd.array([2]), 3)", "(True, 2)", "(2, np.float32(3))",
)  # fmt: skip
RESHAPED = (
    "(4, 3)", "[4, 3]", "np.array([4, 3])", "nd.array([4, 3])", "(np.int64(4), -1)", "(4.0, 3)", "'(4, 3)'", "12",
    "(-1,)", "np.array(12)", "(0, -1)", "(0, 0)", "(-2,)", "(-3,)", "(-4, 1, 3, -2)", "(-1, 5)", "None",
)  # fmt: skip
DTYPES = tuple(f"'{one}'" for one in ("float16", "float32", "float64", "int8", "uint8", "int32", "int64"))
REPS = (
    "2", "0", "-1", "(2,)", "(2, 1)", "(1, 2, 2)", "()", "None", "(2, 0)", "(2, -1)", "2.0", "(2.0, 1)", "'2'", "'ab'",
    "[2, 2]", "np.array([2, 2])", "nd.array([2, 2])", "np.int64(2)", "True",
)  # fmt: skip
BEYOND = (
    "[0, 2, -1]",
    "[3, 4, 7]",
    "[-3, -4, -9]",
    "[[1, 5], [-5, 2]]",
    "[0.9, 2.7]",
    "[-0.5, -1.5]",
    "[100, -100]",
)

CALLS = "\n".join(
    [
        "# --- shapes in each form",
        *calls("nd.{}({})", ("zeros", "ones"), SHAPES),
        *calls("nd.full({}, 2.5)", SHAPES),
        *calls("nd.empty({}).shape", SHAPES),
        *calls("nd.{}({}, dtype={})", ("zeros", "ones"), ("(2, 2)",), DTYPES),
        *calls("kind(nd.random.{}(shape={}))", ("uniform", "normal"), SHAPES),
        *calls("A.reshape({})", RESHAPED),
        *calls("A.reshape(shape={})", RESHAPED),
        *calls("nd.reshape(A, shape={})", RESHAPED),
        *calls(
            "nd.broadcast_to(nd.ones((1, 3)), shape={})",
            (*SHAPES, "(0, 3)", "(0, 0)", "(4, 0)", "(2, 2)", "(1, 1, 3)"),
        ),
        *calls("nd.ones((1, 3)).broadcast_to({})", (*SHAPES, "(0, 3)", "(0, 0)", "(2, 2)")),
        *calls(
            "nd.{}(B, axis={})",
            ("sum", "max", "mean", "prod"),
            (
                "(0, 1)",
                "[0, 1]",
                "np.array([0, 1])",
                "nd.array([0, 1])",
                "np.int64(1)",
                "1.0",
                "'1'",
                "3",
                "-4",
                "(1, 1)",
                "()",
                "None",
            ),
        ),
        *calls(
            "nd.transpose(B, axes={})",
            (
                "(2, 0, 1)",
                "[2, 0, 1]",
                "np.array([2, 0, 1])",
                "(0, 1)",
                "(0, 0, 1)",
                "(0, 1, 3)",
                "()",
                "None",
                "(-1, 0, 1)",
            ),
        ),
        "# --- tile, repeat",
        *calls("nd.tile({}, reps={})", ("V", "A"), REPS),
        *calls("A.tile({})", REPS),
        *calls("nd.tile(nd.arange(4, dtype={}).reshape((2, 2)), reps=(2, 1))", DTYPES),
        *calls("nd.repeat(A, repeats={})", ("2", "0", "-1", "1.5", "'2'", "None", "(1, 2)")),
        *calls("nd.repeat(A, repeats=2, axis={})", ("0", "-1", "1", "2", "-3", "None", "(0,)")),
        "# --- where",
        *calls(
            "nd.where(nd.array({}), {}, {})",
            ("[1, 0, 1]", "[0, 2, -1]", "[[1], [0], [1]]", "[1, 0, 1, 0]", "[float('nan'), 0.1, 0]", "1"),
            ("A", "V"),
            ("A", "V", "B", "2", "A.T"),
        ),
        *calls(
            "nd.where(nd.array([1, 0, 1], dtype={}), nd.array([1, 2, 3], dtype={}), nd.array([7, 8, 9], dtype={}))",
            ("'int32'", "'float32'", "'uint8'"),
            ("'int32'", "'float32'", "'float64'"),
            ("'int32'", "'float32'", "'float64'"),
        ),
        "nd.where(A > 0, A, A[:2])",
        "nd.where(A > 0, 1, 0)",
        "nd.where(A > 0)",
        "nd.where([1, 0, 1], V, V)",
        "nd.where(np.array([1, 0, 1]), V, V)",
        "nd.where(None, V, V)",
        "nd.where(B > 0, B, -B)",
        "nd.where(B[:, 0, 0] > -1, B, -B)",
        "# --- arange",
        *calls(
            "nd.arange({})",
            (
                "0, 1, 0.1",
                "0, 1, 0.3",
                "0, 1.05, 0.35",
                "1, 0, -0.3",
                "2.5",
                "0.1, 0.7, 0.2",
                "-1, 1, 0.25",
                "0, 3.000001",
                "3, 2, 0.5",
                "1e6, 1000003",
                "0, 2, 1e-1",
                "0.5, 3",
                "0, 3, 1, 2",
                "3, 3",
                "0, 5, 2.5, 3",
                "'3'",
                "nd.array([3])",
                "np.float32(3)",
                "True",
                "-2",
                "None",
                "0, None",
                "1, 10, 3, 0",
                "0, float('inf')",
                "0, 1, float('nan')",
            ),
        ),
        *calls(
            "nd.arange({}, dtype={})",
            (
                "5",
                "0, 2, 0.5",
                "0, 3, 0.7",
                "2.7",
                "-1.5, 2",
                "0.5, 3.5",
                "3, 0, -1",
                "3, 0, -0.9",
                "0, 300, 100",
                "-3, 3, 1, 2",
                "2049, 2053",
                "16777216, 16777220",
                "1, 2, 0.25",
            ),
            DTYPES,
        ),
        *calls(
            "nd.linspace({})",
            (
                "0, 1, 3",
                "1, 0, 4",
                "0, 1, 2.0",
                "0, 1, -1",
                "0.1, 0.7, 7",
                "0, 1, 1, False",
                "0, 1, 4, False",
                "0, 1, '3'",
                "5, 5, 3",
                "0, 1, None",
                "nd.array([0]), 1, 3",
                "0, 1, np.int64(3)",
                "-1e6, 1e6, 5",
            ),
        ),
        *calls("nd.linspace(-1.5, 7, 5, dtype={})", DTYPES),
        *calls("nd.eye({})", ("3, 2", "2, 3, 1", "3, 0, -1", "0", "-1", "2.0", "3, 3, 5", "3, 2, -3", "'3'")),
        "# --- take",
        *calls(
            "nd.take(A, nd.array({}), axis={}, mode={})", BEYOND, ("0", "1", "-1", "-2"), ("'clip'", "'wrap'")
        ),
        *calls(
            "nd.take(A, nd.array({}), axis={}, mode='raise')",
            ("[0, 2, 1]", "[0, -1]", "[1.9]", "[3]"),
            ("0", "1", "-1"),
        ),
        *calls(
            "nd.take(B, nd.array({}, dtype={}), axis=1, mode={})",
            ("[0, 1, 4]",),
            DTYPES,
            ("'clip'", "'wrap'", "'raise'"),
        ),
        *calls("nd.take({}, nd.array({}))", ("V", "B", "V.astype('int32')"), BEYOND),
        *calls(
            "grads(lambda x: nd.take(x, nd.array({}), axis={}, mode={}), A)",
            BEYOND[:4],
            ("0", "1"),
            ("'clip'", "'wrap'"),
        ),
        *calls(
            "nd.pick(A, nd.array({}), axis={}, mode={})",
            ("[0, 1, 3]", "[4, -1, 9]", "[-4, -5, 2.7]"),
            ("1", "-1"),
            ("'clip'", "'wrap'"),
        ),
        *calls(
            "nd.pick(A, nd.array({}), axis=0, mode={}, keepdims={})",
            ("[0, 1, 3, -1]", "[[0, 1, 3, -1]]"),
            ("'clip'", "'wrap'"),
            ("True", "False"),
        ),
        *calls("grads(lambda x: nd.pick(x, nd.array([4, -1, 2]), mode={}), A)", ("'clip'", "'wrap'")),
        *calls("nd.batch_take(A, nd.array({}, dtype='int32'))", ("[0, 1, 3]", "[4, -1, 2]", "[0, 1]")),
        *calls("nd.Embedding(nd.array({}), A, input_dim=3, output_dim=4)", BEYOND),
        *calls("nd.one_hot(nd.array({}), 3)", BEYOND),
        *calls("A.take(nd.array({}), mode='{}')", BEYOND[:2], ("clip", "wrap")),
        "# --- leaky rectifiers of several shapes",
        *calls(
            "nd.LeakyReLU({}, nd.array({}), act_type='prelu')",
            ("V - 1", "A", "B", "B.reshape((2, 3, 2, 2))", "B.reshape((1, 2, 3, 4))", "nd.array([-2])"),
            (
                "[0.1]",
                "[0.1, 0.2, 0.3, 0.4]",
                "[0.1, 0.2, 0.3]",
                "[0.1, 0.2]",
                "0.1",
                "[[0.1, 0.2, 0.3, 0.4]]",
                "[[[0.1, 0.2, 0.3, 0.4]]]",
            ),
        ),
        *calls(
            "grads(lambda x, g: nd.LeakyReLU(x, g, act_type='prelu'), {}, nd.array({}))",
            ("V - 1", "A", "B", "B.reshape((2, 3, 2, 2))"),
            ("[0.1]", "[0.1, 0.2, 0.3, 0.4]", "[0.1, 0.2, 0.3]", "[0.1, 0.2]"),
        ),
        *calls(
            "grads(lambda x: nd.LeakyReLU(x, act_type='{}', slope={}), A)",
            ("leaky", "elu", "selu", "gelu"),
            ("0.25", "0", "-0.5"),
        ),
        "nd.LeakyReLU(A, act_type='prelu')",
        "nd.LeakyReLU(A, act_type='other')",
        "nd.LeakyReLU(A, V)",
        *calls(
            "net = mx.gluon.nn.PReLU(in_channels={}); net.initialize(); net({})",
            ("1", "2", "3", "4"),
            ("V", "A", "B", "B.reshape((2, 3, 2, 2))"),
        ),
        "# --- numbers alone",
        *calls(
            "nd.{}",
            (
                "array(3.5)",
                "array(3).asscalar()",
                "array(np.float64(3))",
                "array(np.array(3))",
                "array(nd.array(3))",
                "array(3, dtype='int32')",
                "array(None)",
                "array([])",
                "array([[]]).shape",
                "array(True, dtype='uint8')",
            ),
        ),
        *calls(
            "nd.array({}).{}",
            ("[3.7]", "[[3]]", "[3, 4]", "3"),
            (
                "asscalar()",
                "size",
                "ndim",
                "shape",
                "sum()",
                "reshape((1, 1))",
                "reshape(())",
                "expand_dims(0)",
                "astype('int32')",
                "item()",
                "mean()",
                "T",
            ),
        ),
        *calls(
            "{}(nd.array({}))",
            ("bool", "len", "float", "int", "range"),
            ("[3]", "[0]", "[[3]]", "[3, 4]", "3"),
        ),
        *calls("V[nd.array({})]", ("[1]", "1", "[[1]]", "[1, 0]")),
        *calls("V[nd.array({}).asscalar()]", ("[1]",)),
        *calls("[10, 20, 30][nd.array({})]", ("[1]", "[[1]]", "[1, 2]")),
        *calls("[10, 20, 30][nd.array({}, dtype='int32')]", ("[1]", "[[1]]", "[1, 2]")),
        *calls(
            "V {} {}",
            ("+", "*", "/", "-", "**", "%", "==", ">", "//", "@", "<<", "&"),
            (
                "nd.array([2])",
                "nd.array(2)",
                "np.float64(2)",
                "np.int64(2)",
                "np.array([2.0])",
                "np.array(2.0)",
                "True",
                "2",
                "None",
                "'2'",
                "[2]",
                "2j",
            ),
        ),
        *calls(
            "{} {} V",
            (
                "nd.array([2])",
                "np.float64(2)",
                "np.float32(2)",
                "np.int64(2)",
                "np.array([2.0])",
                "np.array(2.0)",
                "True",
                "2",
            ),
            ("+", "*", "/", "-", "**", "%", "==", ">"),
        ),
        "# --- Cholesky factors and what is made of them",
        *calls(
            "nd.linalg.potrf({}, lower={})",
            ("S", "S * nd.ones((2, 1, 1))", "S.astype('float64')", "A"),
            ("True", "False", "1", "0", "None"),
        ),
        *calls("nd.linalg_potrf({})", ("S", "L", "-S", "V", "S[:1, :1]", "S.astype('int32')")),
        *calls("nd.linalg.potri({}, lower={})", ("L", "L.T", "L * nd.ones((2, 1, 1))"), ("True", "False")),
        *calls(
            "nd.linalg.trmm({}, A[:, :3], transpose={}, rightside={}, lower={}, alpha={})",
            ("L", "L.T"),
            ("True", "False"),
            ("True", "False"),
            ("True", "False"),
            ("2.5",),
        ),
        *calls(
            "nd.linalg.trsm({}, A[:, :3], transpose={}, rightside={}, lower={}, alpha={})",
            ("L", "L.T"),
            ("True", "False"),
            ("True", "False"),
            ("True",),
            ("2.5",),
        ),
        *calls("grads(lambda x: nd.linalg.potrf(x, lower={}), S)", ("True", "False")),
        *calls("grads(lambda x: nd.linalg.potri(x, lower={}), L)", ("True", "False")),
        *calls("grads(lambda x, y: nd.linalg.trmm(x, y, lower={}), L, A[:, :3])", ("True", "False")),
        *calls(
            "nd.linalg.{}(S)",
            (
                "sumlogdiag",
                "syrk",
                "inverse",
                "det",
                "slogdet",
                "extractdiag",
                "extracttrian",
                "maketrian",
                "makediag",
            ),
        ),
        *calls("nd.linalg.extracttrian(S, offset={}, lower={})", ("0", "1", "-1", "3"), ("True", "False")),
        "# --- comparisons of names and of extremes along an axis",
        *calls(
            "nd.{}(A, A, axis=1)",
            (
                "maximum",
                "broadcast_maximum",
                "broadcast_add",
                "add",
                "minimum",
                "broadcast_minimum",
                "elemwise_add",
            ),
        ),
        *calls(
            "mx.gluon.loss.CosineEmbeddingLoss(margin={}, weight={})(A, nd.cos(A), nd.array({}))",
            ("0", "0.3"),
            ("None", "2"),
            ("[1, -1, 1]", "[0, 2, -1]", "[[1], [-1], [1]]", "[0.5, 1, -2]"),
        ),
        *calls(
            "mx.gluon.loss.CosineEmbeddingLoss()({}, {}, nd.array({}))",
            ("A", "nd.zeros((3, 4))", "B"),
            ("A", "nd.zeros((3, 4))", "B"),
            ("[1, -1, 1]", "[1, -1, 1, -1, 1, 1]", "[1, -1]"),
        ),
        *calls(
            "mx.gluon.loss.CosineEmbeddingLoss()(A, nd.cos(A), nd.array([1, -1, 1]), nd.array({}))",
            ("[[1], [2], [3]]", "[1, 2, 3]"),
        ),
        *calls(
            "grads(lambda x, y: mx.gluon.loss.CosineEmbeddingLoss(margin=0.1)(x, y, nd.array([1, -1, 1])), A, nd.cos(A))",
            (),
        ),
        "# --- names of from mxnet.autograd import *",
        *calls("star({})", ("'autograd'", "'gluon'", "'gluon.nn'", "'random'", "'test_utils'")),
    ]
)

PROGRAMS: list[Any] = []
TAKES_MORE = True

_TEXT = "a number as a text is none"
_ALONE = "shape (1,); MXNet's array of shape () is one that no operator takes"

SETTLED: dict[str, str] = {
    **dict.fromkeys(
        ("*'(?, ?)'*", "*tile(*'2')", "*reps='2')", "nd.repeat(*'2')", "nd.arange('3')", "*'3')"), _TEXT
    ),
    **dict.fromkeys(("A.tile(None)", "nd.tile(?, reps=None)", "nd.array(None)"), "None is no number"),
    "nd.arange(*dtype='float16')": "what NumPy gives, rounded to float16; MXNet cuts fractions as if it were an integer type",
    "grads(lambda x: nd.LeakyReLU(x, act_type='selu'*": "the derivative of the formula; MXNet multiplies by the scale once more",
    **dict.fromkeys(("nd.array(3*", "nd.array(nd.array(3))", "nd.array(np.*(3))", "nd.array(True*"), _ALONE),
    "nd.array([[][[]3]]).asscalar()": "the number; MXNet gives an array",
    "star(*": "a module's own names; MXNet's star brings what it imported as well (NDArray and array are in nd)",
}
