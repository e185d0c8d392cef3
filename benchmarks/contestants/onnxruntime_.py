"""ONNX Runtime: the same weights as a graph of Gemm and Relu."""

from __future__ import annotations

import os
from collections.abc import Callable

import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tasks import Task

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]

UNAVAILABLE: tuple[type[Exception], ...] = ()


def version() -> str:
    return onnxruntime.__version__


def model(task: Task) -> bytes:
    weights = task.weights()
    nodes, constants, value = [], [], "x"
    for number, (W, b) in enumerate(weights):
        constants += [numpy_helper.from_array(W, f"W{number}"), numpy_helper.from_array(b, f"b{number}")]
        nodes.append(helper.make_node("Gemm", [value, f"W{number}", f"b{number}"], [f"z{number}"]))
        value = f"z{number}"
        if number < len(weights) - 1:
            nodes.append(helper.make_node("Relu", [value], [f"h{number}"]))
            value = f"h{number}"
    shapes = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", units])
        for name, units in (("x", task.layers[0]), (value, task.layers[-1]))
    ]
    graph = helper.make_graph(nodes, "mlp", shapes[:1], shapes[1:], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return made.SerializeToString()


def predict(task: Task) -> Callable[[], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    session = onnxruntime.InferenceSession(model(task), options, providers=["CPUExecutionProvider"])
    rows = task.inputs
    return lambda: session.run(None, {"x": rows})[0]


FACTORIES = {"predict": predict}
