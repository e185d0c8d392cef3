"""Every primitive in ONNX Runtime computes what it computes in lamina, or is refused by name."""

import numpy as np
import onnx
import onnxruntime
import pytest
from examples_of_primitives import EXAMPLES

from lamina import nd
from lamina.compiler.front.graphs import graph_of
from lamina.core.primitive import REGISTRY, bind
from lamina.errors import LaminaError
from lamina.export._onnx_graph import Emission, OnnxGraph
from lamina.export._onnx_patterns import PATTERNS
from lamina.export._onnx_primitives import EMITTERS
from lamina.export.traced import Traced

NOT_IN_ONNX = {
    "cholesky", "cumsum", "determinant", "digamma", "eigenvalues", "eigenvectors", "erfinv", "gammaln", "inverse",
    "log_determinant", "orthonormal_rows", "polygamma", "sign_of_determinant", "random_bits", "random_gamma",
    "random_poisson", "random_uniform", "same_cosine_of_turns", "same_expm1", "same_log",
    "triangular_solve",
    "scatter_nd_add", "scatter_nd_set", "take_add", "take_along_add",
}  # fmt: skip
"""Special functions, factorizations and random numbers; and what only gradients are made of."""

KNOWN = sorted(REGISTRY.keys() - NOT_IN_ONNX)
TRUNCATED = {"erf", "log2", "hypot"}
"""Of whole numbers computed as floats and truncated: 2.9999999 and 3.0 are then one apart."""

TOLERANCES = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-5, "int64": 0, "uint8": 0}


def computed(primitive, inputs, params):
    """What a primitive of arrays (and numbers) gives in ONNX Runtime, and in lamina."""
    arrays = [nd.array(x, dtype=x.dtype) for x in inputs if isinstance(x, np.ndarray)]

    def function(*given):
        given = iter(given)
        return bind(primitive, *(next(given) if isinstance(x, np.ndarray) else x for x in inputs), **params)

    found = graph_of(function, arrays)
    graph = OnnxGraph()
    names = [graph.input(f"x{i}", x.dtype, x.shape) for i, x in enumerate(arrays)]
    emission = Emission(graph, Traced(found.graph.results, found.contents), names, EMITTERS, PATTERNS)
    result = found.graph.results[0]
    graph.output(emission.tensor(result), "y", result.dtype, result.shape)
    model = graph.model("one primitive", {})
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {name: x.asnumpy() for name, x in zip(names, arrays, strict=True)}
    wanted = function(*arrays)
    (got,) = session.run(None, feeds)
    assert got.dtype == wanted.dtype
    return got, wanted.asnumpy()


def whole(inputs, dtype):
    """Floats as whole numbers of a type."""
    return tuple(
        np.asarray(np.nan_to_num(3 * x)).astype(np.int64).astype(dtype)
        if isinstance(x, np.ndarray) and x.dtype.kind == "f"
        else int(x)
        if isinstance(x, float)
        else x
        for x in inputs
    )


def test_each_is_known_or_not():
    assert set(KNOWN) == set(EMITTERS) | {"iota"}  # which is always a constant


@pytest.mark.parametrize(
    "dtype",
    [pytest.param(one, marks=() if one == "float32" else pytest.mark.slow) for one in TOLERANCES],
)
@pytest.mark.parametrize("name", KNOWN)
def test_a_primitive(name, dtype):
    for example in EXAMPLES[name]:
        if not any(isinstance(x, np.ndarray) and x.size for x in example.inputs):
            continue
        inputs = example.with_dtype(dtype) if dtype.startswith("f") else whole(example.inputs, dtype)
        try:
            with np.errstate(all="ignore"):
                REGISTRY[name].eval(*inputs, **example.params)
                REGISTRY[name].infer(*inputs, **example.params)
        except Exception:  # lamina has no such operator of this dtype
            continue
        got, wanted = computed(REGISTRY[name], inputs, example.params)
        assert got.shape == wanted.shape
        tolerance = 1 if name in TRUNCATED and wanted.dtype.kind in "iu" else TOLERANCES[dtype]
        np.testing.assert_allclose(
            got.astype(float),
            wanted.astype(float),
            rtol=tolerance,
            atol=tolerance,
            err_msg=str(example.params),
        )


@pytest.mark.parametrize("name", sorted(NOT_IN_ONNX))
def test_what_onnx_has_not(name):
    example = next(e for e in EXAMPLES[name])
    with pytest.raises(LaminaError, match=f"the operator {name!r} cannot be exported"):
        computed(REGISTRY[name], example.inputs, example.params)
