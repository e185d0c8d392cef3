"""Who joins which kernel, what is stored, what is computed where it is read."""

from __future__ import annotations

from typing import Any

from graphs import capture

from lamina import autograd, nd
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.program import lower
from lamina.compiler.targets import target_of

X, W, B = nd.ones((8, 5)), nd.ones((5, 3)), nd.ones((3,))


def kernels(function: Any, *arrays: Any) -> list[Kernel]:
    return lower(capture(function, *arrays), target_of()).kernels


def kinds(function: Any, *arrays: Any) -> list[str]:
    return [k.kind for k in kernels(function, *arrays)]


def test_elementwise_work_after_a_product_is_part_of_it() -> None:
    (kernel,) = kernels(lambda x, w, b: nd.relu(nd.dot(x, w) + b) * 2, X, W, B)
    assert kernel.kind == "product"
    assert [n.op.name for n in kernel.members] == ["matmul", "add", "relu", "multiply"]
    assert [n.op.name for n in kernel.stores] == ["multiply"]


def test_a_chain_of_elementwise_work_is_one_map() -> None:
    (kernel,) = kernels(lambda x: nd.exp(x * 2) + 1, X)
    assert kernel.kind == "map"
    assert kernel.domain == (8, 5)


def test_softmax_is_one_loop_over_rows() -> None:
    (kernel,) = kernels(lambda x: nd.log_softmax(x, axis=1), X)
    assert kernel.kind == "reduce"
    assert kernel.is_rowwise
    assert kernel.reduced == (1,)
    assert len(kernel.stores) == 1


def test_reductions_over_different_axes_are_different_kernels() -> None:
    assert kinds(lambda x: (nd.sum(x, axis=0), nd.sum(x, axis=1)), X) == ["reduce", "reduce"]


def test_a_products_operand_lies_in_memory() -> None:
    assert kinds(lambda x, w: nd.dot(x * 2 + 1, w), X, W) == ["map", "product"]
    assert kinds(lambda x, w: nd.dot(nd.dot(x, w), w.T), X, W)[0] == "product"


def test_movements_are_index_maps_and_no_copies() -> None:
    assert kinds(lambda x: x.T[1:3] * 2 + 1, X) == ["map"]
    assert kinds(lambda x: nd.sum(x.T, axis=1), X) == ["reduce"]


def test_a_transposed_matrix_is_copied_before_it_is_read() -> None:
    x, y = nd.zeros((20, 30)), nd.zeros((30, 5))
    inner = lambda x: nd.slice_axis(x, axis=1, begin=2, end=25)  # noqa: E731
    assert kinds(lambda x, y: nd.concat(nd.transpose(x), y, dim=1), x, y) == ["map", "map"]
    assert kinds(lambda x: nd.concat(nd.transpose(inner(x)), nd.zeros((23, 2)), dim=1), x) == ["map", "map"]
    assert kinds(lambda x: nd.transpose(inner(x)), x) == ["map"]
    spread = lambda x, y: nd.transpose(x).reshape((30, 1, 20)) * y.reshape((30, 5, 1))  # noqa: E731
    assert kinds(spread, x, y) == ["map", "map"]


def test_what_is_computed_where_it_is_read_may_be_read_transposed() -> None:
    x, y = nd.zeros((20, 30)), nd.zeros((30, 3))
    assert kinds(lambda x, y: nd.concat(nd.transpose(x + 1), y, dim=1), x, y) == ["map"]
    assert kinds(lambda y: nd.concat(nd.transpose(y), nd.zeros((3, 2)), dim=1), y) == ["map"]


def test_a_weights_update_happens_in_the_product_of_its_gradient() -> None:
    w = nd.ones((5, 3))
    w.attach_grad()

    def step(x: Any) -> None:
        with autograd.record():
            loss = nd.sum(nd.dot(x, w))
        loss.backward()
        w[:] = w - 0.1 * w.grad

    (kernel,) = [k for k in kernels(step, X) if k.kind == "product"]
    assert [n.op.name for n in kernel.members] == ["matmul", "multiply", "subtract"]
    assert [n.op.name for n in kernel.stores] == ["subtract"]  # the gradient is nowhere


def test_expensive_values_with_two_readers_are_stored_once() -> None:
    found = kernels(lambda x: (nd.sum(nd.exp(x), axis=0), nd.sum(nd.exp(x) * x, axis=0)), X)
    assert sum(n.op.name == "exp" for k in found for n in k.members) == 1


def test_kinds_of_kernels() -> None:
    index = nd.array([0, 1, 1, 2])
    assert kinds(lambda x: nd.argmax(x, axis=1), X) == ["arg"]
    assert kinds(lambda i: nd.one_hot(i, 3) + 0.0, index) == ["map"]

    def gradient_of_take(x: Any, i: Any) -> Any:
        x = x * 1.0
        x.attach_grad()
        with autograd.record():
            y = nd.take(x, i)
        y.backward()
        return x.grad * 1.0

    assert "scatter" in kinds(gradient_of_take, X, index)


def test_every_root_is_stored_by_exactly_one_kernel() -> None:
    plan = lower(capture(lambda x: (x, x, x * 2, x * 2, x.reshape((40,))), X), target_of())
    graph, stores = plan.graph, [n for k in plan.kernels for n in k.stores]
    assert len(set(graph.roots)) == len(graph.roots) == 3  # an argument that is returned is itself
    assert set(graph.roots) <= set(stores)
    assert len(stores) == len(set(stores))


def test_the_first_layer_reads_data_and_later_ones_do_not() -> None:
    v = nd.ones((3, 4))

    def network(x: Any) -> Any:
        return nd.dot(nd.relu(nd.dot(x / 255, W)), v)

    assert [k.reads_data for k in kernels(network, X)] == [False, True, False]  # a map comes first


def test_a_parameter_is_not_data() -> None:
    w = nd.ones((5, 3))

    def step(x: Any) -> Any:
        y = nd.dot(w, x)
        w[:] = w + 1
        return y

    assert not any(k.reads_data for k in kernels(step, nd.ones((3, 6))))
