"""Each operator alone, in its versions and settings, computes what ONNX Runtime does."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import lamina

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype(np.float32) * 2
CUBE = RNG.normal(size=(2, 3, 4)).astype(np.float32)
VECTOR = np.array([0.5, -1, 2, 0.25], np.float32)
INTS = np.array([[3, -2, 7, 0], [5, 5, -8, 2], [1, 0, 9, -4]], np.int64)
TYPES = {np.dtype(name): number for name, number in {
    "f4": TensorProto.FLOAT, "f8": TensorProto.DOUBLE, "i8": TensorProto.INT64, "?": TensorProto.BOOL,
    "i4": TensorProto.INT32,
}.items()}  # fmt: skip


def i64(*numbers):
    return np.array(numbers, np.int64)


def scalar(number, dtype=np.float32):
    return np.asarray(number, dtype)


def model_of(op, x, constants=(), opset=20, domain="", outputs=1, last=False, **attributes):
    """A model of one node, whose first input is the graph's, or whose last one is."""
    names = [f"c{i}" if c is not None else "" for i, c in enumerate(constants)]
    node = helper.make_node(
        op,
        [*names, "x"] if last else ["x", *names],
        [f"y{i}" for i in range(outputs)],
        "the node",
        domain=domain,
        **attributes,
    )
    tensors = [
        numpy_helper.from_array(c, name) for c, name in zip(constants, names, strict=True) if c is not None
    ]
    given = helper.make_tensor_value_info("x", TYPES[x.dtype], x.shape)
    made = [helper.make_empty_tensor_value_info(f"y{i}") for i in range(outputs)]
    graph = helper.make_graph([node], "graph", [given], made, tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


UNARY = [
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf", "Exp",
    "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu",
    "Round", "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh",
    "ThresholdedRelu",
]  # fmt: skip

CASES = {
    **{name: (name, X) for name in UNARY},
    "Celu of alpha": ("Celu", X, (), {"alpha": 0.3}),
    "Gelu by tanh": ("Gelu", X, (), {"approximate": "tanh"}),
    "Selu of its own": ("Selu", X, (), {"alpha": 1.5, "gamma": 2.0}),
    "HardSigmoid of its own": ("HardSigmoid", X, (), {"alpha": 0.4, "beta": 0.1}),
    "PRelu": ("PRelu", X, (VECTOR,)),
    "Add": ("Add", X, (VECTOR,)),
    "Sub number": ("Sub", X, (scalar(2.5),)),
    "Mul of more axes": ("Mul", X, (CUBE[:1, :1],)),
    "Div whole": ("Div", INTS, (scalar(3, np.int64),)),
    "Pow 2": ("Pow", X, (scalar(2),)),
    "Pow whole": ("Pow", np.abs(X), (INTS[:1],)),
    "Mod": ("Mod", INTS, (scalar(3, np.int64),)),
    "Mod of a float": ("Mod", X, (scalar(-3.0),), {"fmod": 1, "last": True}),
    "Mod of floats": ("Mod", X, (scalar(0.7),), {"fmod": 1}),
    "Max": ("Max", X, (VECTOR, scalar(0.1))),
    "Min": ("Min", X, (VECTOR,)),
    "Sum": ("Sum", X, (VECTOR, X)),
    "Mean": ("Mean", X, (VECTOR, X)),
    "Equal": ("Equal", INTS, (scalar(5, np.int64),)),
    "Greater": ("Greater", X, (scalar(0),)),
    "GreaterOrEqual": ("GreaterOrEqual", X, (X,)),
    "Less": ("Less", X, (VECTOR,)),
    "LessOrEqual": ("LessOrEqual", X, (VECTOR,)),
    "And": ("And", X > 0, (X > 1,)),
    "Or": ("Or", X > 0, (X > -1,)),
    "Xor": ("Xor", X > 0, (X > -1,)),
    "Not": ("Not", X > 0),
    "IsNaN": ("IsNaN", np.where(X > 1, np.float32("nan"), X)),
    "Where": ("Where", X > 0, (X, VECTOR)),
    "Where rows": ("Where", X[0] > 0, (X[0], scalar(7))),
    "Clip": ("Clip", X, (scalar(-1), scalar(1))),
    "Clip above": ("Clip", X, (None, scalar(1))),
    "Clip 6": ("Clip", X, (), {"opset": 10, "min": -0.5, "max": 0.5}),
    "Cast to whole": ("Cast", X, (), {"to": TensorProto.INT64}),
    "Cast to bool": ("Cast", X, (), {"to": TensorProto.BOOL}),
    "Cast of whole": ("Cast", INTS, (), {"to": TensorProto.FLOAT}),
    "Dropout": ("Dropout", X, (scalar(0.5),)),
    "Dropout 7": ("Dropout", X, (), {"opset": 10, "ratio": 0.25}),
    "Gemm": ("Gemm", X, (CUBE[0].T.copy(), VECTOR[:3]), {"alpha": 0.5, "beta": 2.0}),
    "Gemm turned": ("Gemm", X, (CUBE[0],), {"transB": 1}),
    "MatMul": ("MatMul", X, (CUBE[0].T.copy(),)),
    "MatMul by a vector": ("MatMul", X, (VECTOR,)),
    "MatMul of many": ("MatMul", CUBE, (CUBE[0].T.copy(),)),
    "MatMul of pairs": ("MatMul", CUBE, (CUBE.transpose(0, 2, 1).copy(),)),
    "BatchNormalization": ("BatchNormalization", X, (VECTOR, VECTOR, VECTOR, VECTOR**2), {"epsilon": 1e-3}),
    "BatchNormalization of more": ("BatchNormalization", CUBE, (VECTOR[:3], VECTOR[:3], VECTOR[:3], VECTOR[:3] ** 2)),
    "LayerNormalization": ("LayerNormalization", X, (VECTOR, VECTOR)),
    "LayerNormalization of two": ("LayerNormalization", CUBE, (CUBE[0],), {"axis": 1}),
    "LpNormalization": ("LpNormalization", X, (), {"p": 1}),
    "LpNormalization 2": ("LpNormalization", X, (), {"axis": 1}),
    "Softmax": ("Softmax", CUBE, (), {"axis": 1}),
    "Softmax 11": ("Softmax", CUBE, (), {"opset": 11}),
    "LogSoftmax": ("LogSoftmax", X),
    "LogSoftmax 11": ("LogSoftmax", CUBE, (), {"opset": 11, "axis": 2}),
    "ArgMax": ("ArgMax", X, (), {"axis": 1}),
    "ArgMin": ("ArgMin", X, (), {"axis": -1, "keepdims": 0}),
    "Reshape": ("Reshape", CUBE, (i64(0, -1),)),
    "Reshape more": ("Reshape", CUBE, (i64(-1, 2, 3),)),
    "Flatten": ("Flatten", CUBE, (), {"axis": 2}),
    "Flatten all": ("Flatten", CUBE, (), {"axis": 0}),
    "Squeeze": ("Squeeze", CUBE[:, :1], (i64(1),)),
    "Squeeze 11": ("Squeeze", CUBE[:, :1], (), {"opset": 11, "axes": [-2]}),
    "Unsqueeze": ("Unsqueeze", X, (i64(1, -1),)),
    "Unsqueeze 11": ("Unsqueeze", X, (), {"opset": 11, "axes": [0]}),
    "Transpose": ("Transpose", CUBE, (), {"perm": [0, 2, 1]}),
    "Concat": ("Concat", X, (X,), {"axis": 1}),
    "Slice": ("Slice", CUBE, (i64(1, 0), i64(2**62, -1), i64(1, 2), i64(1, 2))),
    "Slice backwards": ("Slice", X, (i64(-1), i64(-(2**62)), i64(1), i64(-1))),
    "Slice 9": ("Slice", X, (), {"opset": 9, "starts": [1], "ends": [3], "axes": [1]}),
    "Gather": ("Gather", X, (np.array([[0, -1], [2, 1]]),), {"axis": 1}),
    "Gather one": ("Gather", X, (scalar(2, np.int64),), {"axis": 1}),
    "Expand": ("Expand", CUBE[:, :1], (i64(1, 5, 1),)),
    "Tile": ("Tile", X, (i64(2, 3),)),
    "OneHot": ("OneHot", np.abs(INTS), (scalar(6, np.int64), np.array([-1, 2], np.float32)), {"axis": 1}),
    "Shape": ("Shape", CUBE),
    "Size": ("Size", CUBE),
    "Split": ("Split", X, (i64(1, 3),), {"axis": 1, "outputs": 2}),
    "Split 11": ("Split", X, (), {"opset": 11, "axis": 1, "outputs": 2}),
    "Scaler": ("Scaler", X, (), {"domain": "ai.onnx.ml", "offset": VECTOR.tolist(), "scale": [0.5, 2.0, 1.0, 3.0]}),
    "Normalizer": ("Normalizer", X, (), {"domain": "ai.onnx.ml", "norm": "L2"}),
    "Binarizer": ("Binarizer", X, (), {"domain": "ai.onnx.ml", "threshold": 0.3}),
    "Imputer": ("Imputer", np.where(X > 1, np.float32("nan"), X), (), {
        "domain": "ai.onnx.ml", "imputed_value_floats": VECTOR.tolist(), "replaced_value_float": float("nan")}),
    "LabelEncoder": ("LabelEncoder", INTS, (), {
        "domain": "ai.onnx.ml", "keys_int64s": [5, 0, 7], "values_floats": [1.0, 2.0, 3.0], "default_float": 9.0}),
    "LabelEncoder to texts": ("LabelEncoder", INTS, (), {
        "domain": "ai.onnx.ml", "keys_int64s": [5, 0], "values_strings": ["five", "none"]}),
    **{f"{name} {axes}": (name, np.abs(CUBE) + 0.1, (i64(*axes),), {"opset": 18, "keepdims": len(axes) % 2})
       for name in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSum",
                    "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp") for axes in ((1,), (1, -1))},
    "ReduceMean 13": ("ReduceMean", CUBE, (), {"opset": 13, "axes": [1]}),
    "ReduceSum of all": ("ReduceSum", CUBE, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_operator_is_what_it_is_in_onnx_runtime(case, tmp_path):
    op, x, *rest = CASES[case]
    constants, how = (*rest, *((), {})[len(rest) :])
    content = model_of(op, x, constants, **how)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options)
    wanted = session.run(None, {"x": x})
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    net = lamina.import_onnx(path)
    for compiled in (False, True):
        net.hybridize(compiled)
        found = net.predict(x)
        for values, mine in zip(wanted, found.values(), strict=True):
            assert mine.shape == values.shape
            if values.dtype.kind == "f":
                np.testing.assert_allclose(mine, values, rtol=2e-5, atol=2e-6)
                assert mine.dtype == values.dtype
            else:
                assert (mine == values.astype(mine.dtype)).all()


@pytest.mark.parametrize("dtype", [np.float64])
def test_other_types_of_floats(dtype, tmp_path):
    x = X.astype(dtype)
    content = model_of("Gemm", x, (CUBE[0].T.astype(dtype).copy(), VECTOR[:3].astype(dtype)))
    (tmp_path / "model.onnx").write_bytes(content)
    [wanted] = onnxruntime.InferenceSession(content).run(None, {"x": x})
    [mine] = lamina.import_onnx(tmp_path / "model.onnx").predict(x).values()
    assert mine.dtype == dtype
    np.testing.assert_allclose(mine, wanted, rtol=1e-12)
