"""Every operator that is imported computes what ONNX Runtime does at the edges: see `onnx_edges`."""

import os
import re

import numpy as np
import onnxruntime
import pytest
from onnx_edges import ARGUMENTS, Case, cases_of, feeds_of, model_of, schemas_of

import lamina
from lamina.errors import LaminaError
from lamina.interchange.network import OPERATORS

STRIDE = 1 if os.environ.get("FUZZ_RUNS") else 5
"""One file in so many is compared; all 10,700 by `make fuzz`."""
REFUSED = re.compile(
    r"depends? on the input|invalid repeats|select_last_index|is empty, so there|empty axis|zero-size array"
    r"|replaces missing values in whole numbers|needs an NDArray, got (float|int)"
)
"""What is refused, so that nothing is to be compared."""

TOLERANCES = {np.dtype("f2"): 4e-3, np.dtype("f4"): 2e-5, np.dtype("f8"): 1e-6}


def is_meant(case: Case) -> str:
    """Why a file differs from ONNX Runtime on purpose; empty if it must not."""
    x = case.inputs[0]
    assert x is not None
    if case.op == "Sign" and x.dtype == np.float16:
        return "the sign of NaN is NaN in float16, too; there in other types only"
    if case.op == "Pow" and len(case.inputs) == 2 and np.isinf(x).any() and np.any(case.inputs[1] == 0.5):
        return "x to the power of 0.5 is the square root, as in NumPy: NaN at -inf"
    if case.op == "LogSoftmax" and x.dtype == np.float64 and not np.isfinite(x).all():
        return (
            "rows with infinities are NaN, as there in float32; in float64 it gives log-probabilities above 0"
        )
    if case.op == "ReduceMean" and x.size == 0:
        return "ONNX leaves the mean of nothing undefined: NaN, as in NumPy; there 0"
    if case.op == "ReduceLogSumExp" and x.dtype == np.float16:
        return "does not overflow"
    if case.op == "PRelu" and x.ndim == 0 and 1 not in case.given:
        return "a slope that is learned is a parameter of shape (1,)"
    return ""


def in_onnx_runtime(case: Case, content: bytes) -> list[np.ndarray] | None:
    """The results; None where ONNX Runtime has no such operator of these types."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        results = session.run(None, {f"x{i}": case.inputs[i] for i in case.given})
    except Exception:
        return None
    if case.op == "ZipMap":
        return [np.array([list(row.values()) for row in results[0]], np.float32)]
    return [result.astype(str) if result.dtype == object else result for result in results]


def difference(wanted: np.ndarray, found: np.ndarray) -> str:
    """What is different, if anything."""
    if found.shape != wanted.shape:
        return f"shape {found.shape}, not {wanted.shape}"
    if wanted.dtype.kind != "U" and found.dtype != wanted.dtype:
        return f"type {found.dtype}, not {wanted.dtype}"
    if wanted.dtype.kind != "f":
        return "" if (found == wanted).all() else f"{found}, not {wanted}"
    tolerance = TOLERANCES[wanted.dtype]
    with np.errstate(all="ignore"):
        same = np.isclose(
            found.astype(float), wanted.astype(float), rtol=tolerance, atol=tolerance / 10, equal_nan=True
        )
    return "" if same.all() else f"{found[~same][:5]}, not {wanted[~same][:5]}"


@pytest.mark.slow
def test_all_operators_and_their_settings_are_tried() -> None:
    assert {name for _, name in OPERATORS} == set(ARGUMENTS)
    for domain, op in OPERATORS:
        tried = {name for case in cases_of(domain, op) for name in case.attributes}
        offered = set(schemas_of(domain, op)[-1].attributes)
        assert offered - tried <= UNUSED.get(op, set()), op


UNUSED = {
    "Cast": {"saturate", "round_mode"},
    "CastLike": {"saturate", "round_mode"},
    "Dropout": {"seed"},
    "BatchNormalization": {"training_mode"},
    "LayerNormalization": {"stash_type"},
    "RMSNormalization": {"stash_type"},
    "Imputer": {"replaced_value_int64", "imputed_value_int64s"},
    "LabelEncoder": {"default_tensor", "keys_tensor", "values_tensor", "keys_strings"},
}
"""Settings of training, of types that lamina does not compute with, or of texts."""


@pytest.mark.few(40)
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator[1])
def test_an_operator_at_the_edges(operator: tuple[str, str], tmp_path) -> None:
    path = tmp_path / "model.onnx"
    compared, differ, compiled = 0, [], False
    for case in list(cases_of(*operator))[::STRIDE]:
        content = model_of(case)
        wanted = in_onnx_runtime(case, content)
        if wanted is None or is_meant(case):
            continue
        path.write_bytes(content)
        try:
            net = lamina.import_onnx(path)
            found = [net.predict(*feeds_of(case))]
            if not compiled and case.given and case.inputs[0].size == 20:
                net.hybridize()
                found.append(net.predict(*feeds_of(case)))
                compiled = True
        except LaminaError as error:
            assert REFUSED.search(str(error)), f"{case}: {error}"
            continue
        compared += 1
        for results in found:
            for values, mine in zip(wanted, results.values(), strict=True):
                if what := difference(values, mine):
                    differ.append(f"{case}: {what}")
    assert not differ, "\n".join(differ[:20])
    assert compared
