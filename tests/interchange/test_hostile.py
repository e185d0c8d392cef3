"""ONNX files that claim what they don't have, reach for other files, or would grow without end."""

import os
import resource

import numpy as np
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

import lamina
from lamina.errors import DataError, LaminaError

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
Y = helper.make_empty_tensor_value_info("y")


def node(op, *inputs, output="y", **attributes):
    return helper.make_node(op, list(inputs), [output], op.lower(), **attributes)


def model(nodes, tensors=(), opset=20, inputs=(X,)):
    graph = helper.make_graph(list(nodes), "graph", list(inputs), [Y], list(tensors))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def refused(folder, made, match):
    path = folder / "model.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LaminaError, match=match) as caught:
        lamina.import_onnx(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def claimed(**fields):
    """A weight that says more than it has."""
    return TensorProto(name="w", data_type=TensorProto.FLOAT, **fields)


@pytest.mark.parametrize(("weight", "match"), [
    (claimed(dims=[1 << 40, 3], raw_data=b"1234"), "tensor 'w': 4 bytes of data for float32 of shape"),
    (claimed(dims=[1 << 62, 1 << 62], float_data=[1.0]), "tensor 'w': 1 elements of data for the shape"),
    (claimed(dims=[-3, 3], raw_data=b""), "tensor 'w': invalid shape"),
    (claimed(dims=[1] * 100, raw_data=b"1234"), "tensor 'w': invalid shape"),
    (TensorProto(name="w", data_type=16, dims=[3, 3], raw_data=bytes(18)), "'w': elements of type BFLOAT16"),
])  # fmt: skip
def test_arrays_that_are_not_there(weight, match, tmp_path):
    refused(tmp_path, model([node("MatMul", "x", "w")], [weight]), match)


@pytest.mark.parametrize(("nodes", "tensors", "match"), [
    ([node("ConstantOfShape", "s")], [tensor("s", [1 << 30, 1 << 30], np.int64)], "too large for a dense network"),
    ([node("Expand", "x", "s")], [tensor("s", [1 << 40, 1, 1], np.int64)], "too large for a dense network"),
    ([node("Tile", "x", "s")], [tensor("s", [1, 1 << 40], np.int64)], "too large for a dense network"),
    ([node("Range", "a", "b", "c")], [tensor("a", 0, np.int64), tensor("b", 1 << 40, np.int64),
                                      tensor("c", 1, np.int64)], r"node 0 'range' \(Range\): computes"),
    ([node("OneHot", "i", "d", "v")], [tensor("i", [1], np.int64), tensor("d", 1 << 40, np.int64),
                                       tensor("v", [0, 1])], "too large for a dense network"),
    ([node("Reshape", "x", "s")], [tensor("s", [-1, -1], np.int64)], r"node 0 'reshape' \(Reshape\): invalid shape"),
    ([node("Gather", "x", "s")], [tensor("s", [99], np.int64)], "indices outside an axis of size 2"),
    ([node("Softmax", "x", axis=1 << 40)], [], "axis 1099511627776 does not exist in an array of 2 axes"),
    ([node("MatMul", "x", "w")], [tensor("w", np.ones((4, 2)))], r"node 0 'matmul' \(MatMul\): .*\(2, 3\).*\(4, 2\)"),
    ([node("Relu")], [], r"node 0 'relu' \(Relu\): it has 0 inputs"),
    ([node("Relu", "nothing")], [], "uses 'nothing', which no earlier node computes"),
    ([node("Relu", "x", output="x"), node("Relu", "x")], [], "defines 'x', which is defined already"),
])  # fmt: skip
def test_graphs_that_can_not_be_computed(nodes, tensors, match, tmp_path):
    refused(tmp_path, model(nodes, tensors), match)


def test_values_that_double_again_and_again(tmp_path):
    nodes = [node("Concat", "x", "x", output="v0", axis=1)]
    nodes += [node("Concat", f"v{i}", f"v{i}", output=f"v{i + 1}", axis=1) for i in range(60)]
    refused(tmp_path, model([*nodes, node("Relu", "v60")]), "too large for a dense network")
    nodes = [node("Concat", "s", "s", output="v0", axis=0)]
    nodes += [node("Concat", f"v{i}", f"v{i}", output=f"v{i + 1}", axis=0) for i in range(60)]
    constant = [tensor("s", [1], np.int64)]
    refused(tmp_path, model([*nodes, node("Identity", "v60")], constant), "at most 1,024")


def test_graphs_of_very_many_parts(tmp_path):
    made = model([])
    for _ in range(20_000):
        made.graph.node.add()
    refused(tmp_path, made, "it has 20,000 nodes, but lamina reads networks of at most 10,000")


def test_control_flow_and_other_domains_are_named(tmp_path):
    body = helper.make_graph([node("Identity", "x")], "body", [], [Y])
    loop = node("Loop", "", "", "x", body=body)
    refused(tmp_path, model([loop]), r"node 0 'loop' \(Loop\): attribute 'body': it contains a graph")
    own = helper.make_node("Special", ["x"], ["y"], "mine", domain="com.example")
    refused(
        tmp_path,
        model([own]),
        r"node 0 'mine' \(com.example.Special\): belongs to an unknown operator domain",
    )


def test_an_output_that_is_there_twice(tmp_path):
    made = model([node("Relu", "x")])
    made.graph.output.append(Y)
    refused(tmp_path, made, "it has 2 outputs named 'y'")


@pytest.mark.parametrize(
    ("opset", "match"), [(6, "opset 6; opsets 7 to"), (1 << 40, "opsets 7 to"), (0, "opset is missing")]
)
def test_versions(opset, match, tmp_path):
    refused(tmp_path, model([node("Relu", "x")], opset=opset), match)


@pytest.mark.parametrize("content", [b"", b"\0", b"no protobuf", b"\x3a\xff\xff\xff\xff\x7f", bytes(1000)])
def test_other_files(content, tmp_path):
    refused(tmp_path, content, "is not a readable ONNX file")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        lamina.import_onnx(tmp_path / "missing.onnx")
    with pytest.raises(IsADirectoryError):
        lamina.import_onnx(tmp_path)


# --- elements in other files -----------------------------------------------------------------------------------------


def external(**entries):
    weight = claimed(dims=[3, 2], data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        weight.external_data.add(key=key, value=str(value))
    return model([node("MatMul", "x", "w")], [weight])


def test_elements_beside_the_model_are_read(tmp_path):
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    (tmp_path / "below").mkdir()
    (tmp_path / "below/weights").write_bytes(b"1234" + weight.tobytes())
    (tmp_path / "model.onnx").write_bytes(external(location="below/weights", offset=4).SerializeToString())
    net = lamina.import_onnx(tmp_path / "model.onnx")
    np.testing.assert_array_equal(net(lamina.nd.ones((1, 3))).asnumpy(), weight.sum(axis=0, keepdims=True))


@pytest.mark.parametrize(("entries", "match"), [
    ({"location": "../secret"}, "outside the model's folder"),
    ({"location": "/etc/passwd"}, "is not beside the model"),
    ({"location": "link"}, "outside the model's folder"),
    ({"location": "missing"}, "can't be read"),
    ({"location": "."}, "outside the model's folder"),
    ({"location": ""}, "is not beside the model"),
    ({"location": "pipe"}, "is not a regular file"),
    ({"location": "short"}, "has 5 bytes, but needs 24"),
    ({"location": "whole", "offset": 1 << 60}, "has 24 bytes"),
    ({"location": "whole", "offset": -1}, "is not a number"),
    ({"location": "whole", "length": 8}, "8 bytes in 'whole', but needs 24"),
])  # fmt: skip
def test_other_files_are_not_reached(entries, match, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(24))
    (folder / "whole").write_bytes(bytes(24))
    (folder / "short").write_bytes(bytes(5))
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    refused(folder, external(**entries), rf"tensor 'w': .*{match}")


def test_attributes_reach_no_other_files(tmp_path):
    constant = helper.make_node("Constant", [], ["w"], "constant")
    value = claimed(dims=[3, 2], data_location=TensorProto.EXTERNAL)
    value.external_data.add(key="location", value="../secret")
    constant.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=value))
    with pytest.raises(DataError, match="outside the model's folder"):
        (tmp_path / "model.onnx").write_bytes(model([constant, node("MatMul", "x", "w")]).SerializeToString())
        lamina.import_onnx(tmp_path / "model.onnx")
