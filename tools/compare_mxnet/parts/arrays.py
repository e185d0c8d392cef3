"""`nd`, `autograd`, `random` and what stands around them."""

from __future__ import annotations

from typing import Any

import numpy as np

NAMESPACES = (
    "mx", "mx.nd", "mx.nd.NDArray", "mx.nd.linalg", "mx.nd.random", "mx.nd.contrib", "mx.nd.image", "mx.autograd",
    "mx.random", "mx.context", "mx.base", "mx.name", "mx.attribute", "mx.util", "mx.runtime", "mx.test_utils",
    "mx.engine",
)  # fmt: skip


def prepare(mx: Any) -> dict[str, Any]:
    """Arrays that the calls may use, made anew for each."""
    array = mx.nd.array
    return {
        "A": array(np.arange(12).reshape(3, 4) / 4 - 1),
        "B": array(np.arange(24).reshape(2, 3, 4)),
        "I": array([0, 2, 1]),
        "V": array([1.0, -2.0, 3.0]),
        "S": array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]]),
        "G": array([[1.0, 2.0, 0.5, -1.0], [0.3, -1.0, 2.0, 0.7], [1.5, 0.2, -0.4, 1.1]]),
        "L": array([[2.0, 0.0, 0.0], [0.5, 1.5, 0.0], [-1.0, 0.3, 1.0]]),
    }


CALLS = """
# --- creation
nd.array([1, 2, 3])
nd.array([[1, 2], [3, 4]], dtype="int32")
nd.array(np.arange(3))
nd.array(np.arange(3, dtype=np.int8))
nd.array(np.float64([1, 2]))
nd.array(5)
nd.array(True)
nd.array([[1, 2], [3]])
nd.array(nd.array([1, 2], dtype="int64"))
nd.array("abc")
nd.zeros(3)
nd.zeros((2, 0))
nd.zeros(np.int64(3))
nd.zeros(np.array([2, 3]))
nd.zeros([2, np.int32(3)])
nd.zeros((2, 3), dtype="float16")
nd.zeros(shape=(2,), dtype=np.int8)
nd.zeros(-1)
nd.zeros((2.0, 3))
nd.ones((2, np.int64(2)))
nd.ones(2, dtype="int64")
nd.full((2, 2), 3)
nd.full((2, 2), 3, dtype="int32")
nd.full(2, np.float32(1.5))
nd.full((2,), val=2.5)
nd.empty((2, 3)).shape
nd.zeros_like(A)
nd.ones_like(nd.array([1, 2], dtype="int32"))
nd.eye(3)
nd.eye(2, 3, 1)
nd.eye(3, k=-1, dtype="int32")
nd.eye(N=2, M=3)
nd.arange(5)
nd.arange(2, 8, 2)
nd.arange(0, 1, 0.25)
nd.arange(3, repeat=2)
nd.arange(5, 0, -1)
nd.arange(0, 5, dtype="int32")
nd.arange(5, 1)
nd.arange(0)
nd.arange(1, None)
nd.arange(0, 3, 0)
nd.arange(start=1, stop=4)
nd.arange(3, infer_range=True)
nd.linspace(0, 1, 5)
nd.linspace(0, 1, 5, endpoint=False)
nd.linspace(0, 10, 3, dtype="int32")
nd.linspace(0, 1, 0)
nd.linspace(0, 1, 1)
nd.from_numpy(np.zeros(3, np.float32))
nd.from_numpy(np.arange(3))
nd.concatenate([A, A])
nd.concatenate([A, A], axis=1)
nd.concatenate([A])
nd.onehot_encode(nd.array([1, 0]), nd.zeros((2, 3)))
nd.histogram(nd.array([1, 2, 2, 3, 5]), bins=3)
nd.histogram(nd.array([1, 2, 2, 3, 5]), bins=4, range=(0, 8))
nd.histogram(nd.array([1, 2, 2, 3, 5]), bins=nd.array([0, 2, 4, 6]))
# --- shapes
nd.reshape(A, (4, 3))
nd.reshape(A, shape=(-1,))
nd.reshape(A, shape=(2, -1))
nd.reshape(A, -1)
nd.reshape(B, (0, -1))
nd.reshape(B, (-2,))
nd.reshape(B, (-3, 0))
nd.reshape(B, (-4, 1, 2, -2))
nd.reshape(B, (0, -4, -1, 1, 0))
nd.reshape(B, (-1, 0), reverse=True)
nd.reshape(B, (0, 0, 0, 0))
nd.reshape(A, (-1, -1))
nd.reshape(A, target_shape=(4, 3))
nd.reshape(B, target_shape=(2, 0))
nd.reshape(B, target_shape=(0, 12), keep_highest=True)
nd.reshape(A, shape=nd.array([4, 3]))
nd.reshape(A, np.array([4, 3]))
A.reshape(4, 3)
A.reshape((4, 3))
A.reshape([4, 3])
A.reshape(-1)
A.reshape(np.int64(12))
A.reshape(np.int64(4), np.int32(3))
A.reshape(np.array([4, 3]))
A.reshape(shape=(6, 2))
A.reshape(())
A.reshape()
A.reshape((4, 3), reverse=True)
A.reshape(0, -1, 1)
B.reshape((-3, -2))
y = A.reshape((4, 3)); y[0] = 7; A
y = A.reshape((-1,), inplace=True); y
A.flatten(inplace=True)
y = A.copy(); z = nd.flatten(y); z[:] = 0; y
y = A.copy(); z = y.expand_dims(0); z[:] = 0; y
y = A.copy(); z = nd.squeeze(y.reshape((1, -1))); z[:] = 0; y
y = A.copy(); z = nd.reshape(y, (-1,)); z[:] = 0; y
y = A.copy(); z = nd.slice(y, (0, 0), (1, 2)); z[:] = 0; y
y = A.copy(); z = nd.slice_axis(y, axis=0, begin=0, end=1); z[:] = 0; y
y = A.copy(); z = nd.split(y, 3, axis=0)[0]; z[:] = 0; y
y = A.copy(); z = nd.broadcast_to(y, (3, 4)); z[:] = 0; y
y = A.copy(); z = nd.reshape_like(y, y); z[:] = 0; y
y = A.copy(); z = nd.flip(y.reshape((12, 1)), axis=1); z[:] = 0; y
y = A.copy(); z = nd.Dropout(y); z[:] = 0; y
y = A.copy(); z = y.flatten(inplace=True); z[:] = 0; y
y = A.copy(); z = y.expand_dims(0, inplace=True); z[:] = 0; y
y = A.copy(); z = y.reshape((4, 3)); z[:] = 0; y
y = A.copy(); z = mx.gluon.utils.split_data(y, 3)[0]; z[:] = 0; y
y = A.copy(); z = y.reshape((-1,)); z[:] = 0; y
y = A.copy(); z = y.T; z[:] = 0; y
B.flatten()
nd.flatten(nd.array([1, 2]))
A.expand_dims(0).shape
A.expand_dims(axis=-1).shape
A.expand_dims(3)
A.expand_dims(0, inplace=True).shape
nd.expand_dims(A, axis=1).shape
nd.expand_dims(A, -3).shape
A.expand_dims(1).squeeze(1).shape
A.expand_dims(1).squeeze(axis=1, inplace=True).shape
nd.squeeze(nd.ones((1, 2, 1))).shape
nd.squeeze(nd.ones((1, 2, 1)), axis=0).shape
nd.squeeze(nd.ones((1, 2, 1)), axis=(0, 2)).shape
nd.squeeze(nd.ones((1, 2, 1)), axis=1)
nd.squeeze(nd.ones((1, 1)))
nd.transpose(B)
nd.transpose(B, (1, 0, 2)).shape
nd.transpose(B, axes=(2, -3, 1)).shape
nd.transpose(B, (0, 1))
B.transpose(2, 0, 1).shape
B.transpose((2, 0, 1)).shape
B.transpose(axes=(1, 2, 0)).shape
B.T.shape
nd.swapaxes(B, 0, 2).shape
nd.SwapAxis(B, dim1=0, dim2=1).shape
nd.moveaxis(B, 0, -1).shape
nd.moveaxis(B, [0, 1], [-1, -2]).shape
nd.moveaxis(B, [0, 1], [1, 1])
nd.moveaxis(B, [0, -3], [0, 1])
nd.moveaxis(B, 5, 0)
nd.broadcast_to(nd.array([[1], [2]]), (2, 3))
nd.broadcast_to(nd.array([[1], [2]]), shape=(0, 3))
nd.broadcast_to(nd.array([1, 2]), (3, 2))
nd.array([1, 2]).broadcast_to((3, 2))
nd.array([[1, 2]]).broadcast_to((3, 2))
nd.array([[1, 2]]).broadcast_to((3, 3))
nd.array([[1, 2]]).broadcast_to((0, 2))
nd.broadcast_axis(nd.ones((1, 2, 1)), axis=(0, 2), size=(2, 3)).shape
nd.broadcast_axis(nd.ones((1, 2)), axis=0, size=3).shape
nd.broadcast_axis(nd.ones((2, 2)), axis=0, size=3)
nd.broadcast_axes(nd.ones((1, 2)), axis=0, size=3).shape
nd.broadcast_like(nd.ones((1, 3)), A).shape
nd.broadcast_like(nd.ones((1, 3)), A.T).shape
nd.broadcast_like(nd.ones((1, 2)), nd.ones((5, 7)), lhs_axes=(0,), rhs_axes=(-1,)).shape
nd.ones((1, 4)).broadcast_like(A).shape
nd.reshape_like(A, nd.ones((2, 6))).shape
nd.reshape_like(A, nd.ones((2, 5)))
nd.reshape_like(nd.ones((30, 7)), nd.ones((15, 2, 4)), 0, 1, 0, 2).shape
nd.shape_array(B)
nd.size_array(B)
nd.concat(A, A, dim=0).shape
nd.concat(A, A).shape
nd.concat(A, A, dim=-1).shape
nd.concat(A, V)
nd.Concat(A, A, dim=0).shape
nd.stack(V, V)
nd.stack(V, V, axis=-1)
nd.stack(V, A)
nd.split(A, num_outputs=2)
nd.split(A, 2, axis=1)
nd.split(A, num_outputs=3, axis=0, squeeze_axis=True)
nd.split(A, num_outputs=3, axis=1)
nd.split(A, num_outputs=1, axis=1)
nd.SliceChannel(A, num_outputs=2)
nd.split_v2(A, 2, axis=1)
nd.split_v2(A, (1, 3), axis=1)
nd.split_v2(A, (1, 2), axis=0)
nd.split_v2(A, 3, axis=0, squeeze_axis=True)
nd.tile(V, 2)
nd.tile(A, (2, 1)).shape
nd.tile(A, reps=(2, 1, 1)).shape
nd.tile(V, ())
nd.tile(V, 0)
nd.tile(V, -1)
nd.repeat(V, 2)
nd.repeat(A, repeats=2, axis=1)
nd.repeat(A, 2)
nd.repeat(A, 2, axis=-1)
nd.flip(A, axis=1)
nd.reverse(A, axis=(0, 1))
nd.flip(A, 0)
nd.pad(nd.ones((1, 1, 2, 2)), mode="constant", pad_width=(0, 0, 0, 0, 1, 1, 1, 1), constant_value=5)
nd.pad(nd.arange(4).reshape((1, 1, 2, 2)), mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1))
nd.pad(nd.arange(9).reshape((1, 1, 3, 3)), mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 2, 1))
nd.pad(A, mode="constant", pad_width=(1, 1, 1, 1))
nd.depth_to_space(nd.arange(8).reshape((1, 4, 1, 2)), 2)
nd.space_to_depth(nd.arange(8).reshape((1, 1, 2, 4)), 2)
nd.arange(8).reshape((1, 4, 1, 2)).depth_to_space(2)
nd.diag(A)
nd.diag(A, k=1)
nd.diag(V, k=-1)
nd.diag(B).shape
nd.diag(B, axis1=1, axis2=2).shape
nd.diag(A, k=9)
A.diag(1)
# --- slices and indexing
A[1]
A[-1]
A[1, 2]
A[1:3]
A[::-1]
A[:, 1]
A[:, ::2]
A[1:3, 1:3]
A[[0, 2]]
A[nd.array([0, 2])]
A[nd.array([0, 2]), nd.array([1, 3])]
A[np.array([0, 2])]
A[np.array([True, False, True])]
A[nd.array([1, 0, 1]), :]
A[A > 0]
A[None].shape
A[..., 0]
A[5]
A[1, 2, 3]
A["a"]
A[1.0]
A[np.int64(1)]
A[()].shape
A[[[0, 1], [1, 0]]].shape
B[:, [0, 1], [1, 2]]
B[0, :, [1, 2]]
A[0] = 1; A
A[:] = 2; A
A[:, 1] = nd.array([1, 2, 3]); A
A[1:3] = np.ones((2, 4)); A
A[[0, 2]] = 5; A
A[nd.array([0, 1]), nd.array([1, 2])] = nd.array([7, 8]); A
A[0] = V
A[0, 0] = nd.array([3]); A
A[-1, ::2] = 9; A
A[:] = np.arange(4); A
A[None] = 1; A
nd.slice(A, begin=(0, 1), end=(2, 3))
nd.slice(A, (None, 1), (None, None), (2, 2))
nd.slice(A, begin=(2, None), end=(None, None), step=(-1, None))
nd.slice(A, begin=(0,), end=(2,))
nd.slice(A, begin=0, end=2)
nd.slice(A, begin=(0, 5), end=(2, 9))
nd.slice(A, begin=(2,), end=(1,))
A.slice(begin=(0, 1), end=(2, 3))
nd.slice_axis(A, axis=1, begin=1, end=3)
nd.slice_axis(A, axis=-1, begin=-2, end=None)
nd.slice_axis(A, axis=1, begin=2, end=9)
nd.slice_like(A, nd.ones((2, 2)))
nd.slice_like(A, nd.ones((2, 9)), axes=(0,))
nd.slice_like(A, nd.ones((5, 2)))
A.slice_axis(0, 0, 1)
nd.crop(A, begin=(0, 0), end=(2, 2))
# --- look-ups
nd.take(A, nd.array([-1, 5]))
nd.take(A, nd.array([-1, 5]), mode="wrap")
nd.take(A, nd.array([-1, 5]), mode="raise")
nd.take(A, nd.array([0, 1]), mode="raise")
nd.take(A, nd.array([0, -1]), mode="raise")
nd.take(A, nd.array([0, 1]), axis=1)
nd.take(A, nd.array([0, 1]), axis=-1)
nd.take(A, nd.array([[0, 1], [1, 2]]), axis=0).shape
nd.take(A, nd.array([0, 1], dtype="int32"))
nd.take(A, nd.array([0.9, 1.9]))
nd.take(A, nd.array([0]), mode="other")
nd.take(A, nd.array([0]), axis=2)
nd.take(A, [0, 1])
nd.take(A, 1)
A.take(nd.array([1]), axis=0, mode="clip")
nd.batch_take(A, nd.array([0, 1, 9]))
nd.pick(A, I)
nd.pick(A, I, axis=1)
nd.pick(A, nd.array([0, 1, 2, 0]), axis=0)
nd.pick(A, nd.array([0, 9, -1]))
nd.pick(A, nd.array([0, 9, -1]), mode="wrap")
nd.pick(A, I, keepdims=True)
nd.pick(A, nd.array([[0], [1], [2]]), axis=1)
nd.pick(A, V[:2])
nd.choose_element_0index(A, I)
nd.fill_element_0index(A, V, I)
nd.gather_nd(A, nd.array([[0, 1], [1, 2]]))
nd.gather_nd(A, nd.array([[0, 1]]))
nd.gather_nd(A, nd.array([[0, 1], [1, 9]]))
nd.gather_nd(A, nd.array([[-1, 0], [0, 0]]))
nd.scatter_nd(nd.array([2, 3]), nd.array([[1, 0], [0, 1]]), shape=(2, 2))
nd.scatter_nd(nd.array([2, 3, 0]), nd.array([[1, 1, 0], [0, 1, 0]]), (2, 2))
nd.one_hot(nd.array([1, 0, 5, -1]), 3)
nd.one_hot(nd.array([1, 0]), depth=3, on_value=5, off_value=-1, dtype="int32")
nd.one_hot(nd.array([[1, 0]]), 2).shape
nd.one_hot(nd.array([1, 0], dtype="int64"), 2)
nd.where(nd.array([1, 0, 1]), V, -V)
nd.where(nd.array([1, 0, 1]), A, -A)
nd.where(A > 0, A, nd.zeros_like(A))
nd.where(nd.array([1, 0]), A, A)
nd.where(nd.array([1, 0, 1, 0]), A, A)
nd.where(A > 0, V.reshape((3, 1)), A)
nd.where(A > 0, A, 0)
nd.where(A > 0, 1, A)
nd.where(A > 0, A, V)
nd.where(nd.array([[1], [0], [1]]), A, -A)
nd.where(nd.array([1, 0, 1], dtype="int32"), V, -V)
nd.ravel_multi_index(nd.array([[3, 6, 6], [4, 5, 1]]), shape=(7, 6))
nd.unravel_index(nd.array([22, 41, 37]), shape=(7, 6))
nd.ravel_multi_index(nd.array([[1, 2], [0, 1]]), shape=(-1, 6))
nd.Embedding(nd.array([[1, 0]]), A, input_dim=3, output_dim=4)
nd.Embedding(nd.array([7, -1]), A, input_dim=3, output_dim=4)
nd.Embedding(nd.array([1]), A, input_dim=5, output_dim=4)
nd.contrib.boolean_mask(A, nd.array([0, 1, 1]))
nd.contrib.boolean_mask(A, nd.array([0, 0, 0]))
nd.contrib.boolean_mask(A, nd.array([1, 0, 0, 1]), axis=1)
nd.contrib.index_copy(nd.zeros((3, 2)), nd.array([2, 0]), nd.array([[1, 2], [3, 4]]))
nd.contrib.index_array(nd.ones((2, 2)))
nd.contrib.index_array(nd.ones((2, 2)), axes=(1,))
nd.contrib.arange_like(A)
nd.contrib.arange_like(A, axis=1)
nd.contrib.arange_like(A, start=1, step=2, axis=0)
nd.contrib.arange_like(A, repeat=2)
nd.SequenceMask(B, nd.array([1, 2, 1]), use_sequence_length=True, value=-1)
nd.SequenceMask(B, nd.array([1, 3]), use_sequence_length=True, axis=1)
nd.SequenceMask(B)
nd.SequenceLast(B)
nd.SequenceLast(B, nd.array([1, 2, 1]), use_sequence_length=True)
nd.SequenceLast(B, nd.array([1, 3]), use_sequence_length=True, axis=1)
nd.SequenceReverse(B)
nd.SequenceReverse(B, nd.array([1, 2, 1]), use_sequence_length=True)
# --- order
nd.sort(A, is_ascend=False)
nd.sort(A, axis=0)
nd.sort(A, axis=None, is_ascend=False)
nd.argsort(V)
nd.argsort(V, is_ascend=False, dtype="int32")
nd.argsort(A, axis=None)
nd.topk(A, k=2)
nd.topk(A, k=2, axis=0)
nd.topk(A, k=2, ret_typ="value")
nd.topk(A, k=2, ret_typ="both", is_ascend=True)
nd.topk(A, k=2, ret_typ="mask")
nd.topk(A, k=9)
nd.topk(A, k=1, axis=None)
nd.topk(A, k=2, dtype="int64")
nd.topk(A, k=0)
nd.argmax(A, axis=1)
nd.argmax(A)
nd.argmin(A, axis=0, keepdims=True)
nd.argmax(A, axis=-1)
nd.argmax_channel(A)
nd.argmax(nd.array([1, 1, 0]), axis=0)
nd.cumsum(A)
nd.cumsum(A, axis=1)
nd.cumsum(A, axis=0, dtype="float64")
# --- reductions
nd.sum(A)
nd.sum(A, axis=0)
nd.sum(B, axis=(0, 2))
nd.sum(B, axis=(0, 2), exclude=True)
nd.sum(B, axis=1, keepdims=True)
nd.sum(B, axis=-1)
nd.sum(B, axis=())
nd.sum(A, axis=5)
nd.sum(A, axis=(0, 0))
nd.sum(nd.zeros((0, 2)), axis=0)
nd.sum(nd.array([1, 2], dtype="int32"))
nd.sum(nd.array([100, 100], dtype="int8"))
nd.sum_axis(A, axis=1)
nd.mean(A)
nd.mean(A, axis=1)
nd.mean(nd.array([1, 2], dtype="int32"))
nd.prod(A, axis=0)
nd.max(A, axis=1)
nd.min(A)
nd.nansum(nd.array([1, np.nan, 2]))
nd.nanprod(nd.array([3, np.nan, 2]))
nd.norm(A)
nd.norm(A, ord=1, axis=1)
nd.norm(A, axis=(0, 1), keepdims=True)
nd.norm(A, ord=3)
nd.norm(A, axis=0, out_dtype="float64")
nd.norm(B, axis=(0, 1))
nd.norm(B, axis=(0, 1, 2))
nd.max(nd.array([1, np.nan, 2]))
nd.moments(A, axes=(0,))
nd.moments(A, axes=(0, 1), keepdims=True)
nd.square_sum(A, axis=1)
nd.all_finite(A)
nd.all_finite(nd.array([1, np.inf]))
nd.multi_all_finite(A, V, num_arrays=2)
nd.multi_sum_sq(A, V, num_arrays=2)
nd.khatri_rao(nd.array([[1, 2], [3, 4]]), nd.array([[5, 6], [7, 8], [9, 10]]))
# --- arithmetic
A + A
A + 1
1 - A
A * 2.5
2 / (A + 9)
A / 0
A ** 2
2 ** A
A % 2
-A % 3
5 % (A + 9)
-A
abs(A)
A == A
A != 1
A > V[0]
A >= 0
A < A.T
A == None
A == "x"
A @ A.T
A // 2
A & A
divmod(A, 2)
A + np.ones((3, 4))
np.ones((3, 4)) + A
A + [1, 2, 3, 4]
A + nd.ones((3, 4), dtype="int32")
A + nd.ones(3)
A + nd.ones((3, 1))
A + nd.ones((1, 4))
A + nd.array([1])
nd.array([5, 7], dtype="int32") / 2
nd.array([5, -7], dtype="int32") / nd.array([2, 2], dtype="int32")
nd.array([5, 7], dtype="int32") + 1.5
nd.array([5, 7], dtype="int32") * 2
nd.array([5, 7], dtype="int32") % 3
nd.array([5, 7], dtype="int32") ** 2
nd.array([5, 7], dtype="uint8") - 6
nd.array([200, 100], dtype="uint8") + nd.array([100, 100], dtype="uint8")
nd.array([5, 0], dtype="int32") / 0
nd.array([1.5], dtype="float16") * 2
A += 1; A
A -= A; A
A *= 2; A
A /= 4; A
A %= 2; A
A **= 2; A
A += nd.ones((3, 1)); A
nd.add(A, 1)
nd.add(1, A)
nd.add(2, 3)
nd.subtract(A, A)
nd.multiply(A, V[:1])
nd.divide(A, 2)
nd.modulo(A, 2)
nd.power(A, 2)
nd.power(2, A)
nd.power(2, 3)
nd.maximum(A, 0)
nd.maximum(0, A)
nd.minimum(A, A.T.reshape((3, 4)))
nd.maximum(2, 3)
nd.true_divide(A, 2)
nd.equal(A, A)
nd.equal(1, A)
nd.not_equal(A, 0)
nd.greater(A, 0)
nd.greater(0, A)
nd.lesser_equal(A, 0)
nd.logical_and(A, 1)
nd.logical_or(A, A)
nd.logical_xor(A, 1)
nd.logical_not(A)
nd.broadcast_add(A, nd.ones((3, 1))).shape
nd.broadcast_add(A, nd.ones((4,)))
nd.broadcast_add(A, 1)
nd.broadcast_add(A, nd.ones((2, 1)))
nd.broadcast_add(nd.ones((1,)), A)
nd.broadcast_mul(B, nd.ones((2, 1, 4))).shape
nd.broadcast_mul(B, nd.ones((3, 4)))
nd.broadcast_div(A, nd.ones((1, 1)) * 2)
nd.broadcast_mod(nd.array([[-5, 5]]), nd.array([[3], [-3]]))
nd.broadcast_power(nd.array([[2, 3]]), nd.array([[2], [0]]))
nd.broadcast_maximum(A, nd.ones((3, 1)))
nd.broadcast_hypot(nd.array([[3, 6]]), nd.array([[4], [8]]))
nd.broadcast_equal(A, nd.ones((3, 1)))
nd.broadcast_logical_and(A, nd.ones((1, 4)))
nd.elemwise_add(A, A)
nd.elemwise_add(A, nd.ones((1, 4)))
nd.elemwise_mul(A, V)
nd.add_n(A, A, A)
nd.ElementWiseSum(A, A)
nd.add_n(A, V)
nd.arctan2(nd.array([1, -1]), nd.array([1, -1]))
nd.hypot(nd.array([3]), nd.array([4]))
nd.dot(A, A.T)
nd.dot(A, A, transpose_b=True)
nd.dot(A, A, transpose_a=True)
nd.dot(V, V)
nd.dot(A, nd.ones((4,)))
nd.dot(V, A)
nd.dot(B, nd.ones((4, 2))).shape
nd.dot(B, nd.ones((4, 2, 5))).shape
nd.dot(A, A)
nd.dot(nd.ones((2, 3, 4)), nd.ones((2, 5)), transpose_a=True).shape
A.dot(A.T)
nd.batch_dot(B, B, transpose_b=True)
nd.batch_dot(B, B)
nd.batch_dot(A, A)
nd.dot(nd.array([[1, 2]], dtype="int32"), nd.array([[1], [2]], dtype="int32"))
nd.FullyConnected(A, nd.ones((2, 4)), nd.ones(2), num_hidden=2)
nd.FullyConnected(B, nd.ones((2, 12)), no_bias=True, num_hidden=2)
nd.FullyConnected(B, nd.ones((2, 4)), no_bias=True, num_hidden=2, flatten=False).shape
nd.FullyConnected(A, nd.ones((2, 3)), nd.ones(2), num_hidden=2)
# --- functions of numbers
nd.abs(A)
nd.sign(A)
nd.round(nd.array([0.5, 1.5, -0.5, 2.4]))
nd.rint(nd.array([0.5, 1.5, -0.5, 2.4]))
nd.ceil(A)
nd.floor(A)
nd.trunc(A)
nd.fix(A)
nd.exp(A)
nd.log(nd.array([0, 1, -1]))
nd.log2(A + 2)
nd.log10(A + 2)
nd.log1p(A)
nd.expm1(A)
nd.sqrt(A)
nd.rsqrt(A + 2)
nd.cbrt(A)
nd.rcbrt(A + 2)
nd.square(A)
nd.reciprocal(A + 2.1)
nd.sin(A)
nd.tan(A)
nd.arcsin(A / 3)
nd.arccos(A / 3)
nd.arctan(A)
nd.sinh(A)
nd.arccosh(A + 3)
nd.arctanh(A / 3)
nd.degrees(A)
nd.radians(A)
nd.gamma(A + 1.3)
nd.gamma(nd.array([0.0, -0.0, -1.0, -2.0, -0.5, -1.5, -33.5, -3e8, -np.inf, np.inf, np.nan]))
nd.gammaln(A + 1.3)
nd.digamma(A + 1.3)
nd.erf(A)
nd.erfinv(A / 3)
nd.sigmoid(A)
nd.hard_sigmoid(A)
nd.hard_sigmoid(nd.array([np.nan, np.inf, -np.inf, -0.0, 2.5, -2.5]))
nd.log_sigmoid(A)
nd.mish(A)
nd.relu(A)
nd.softsign(A)
nd.clip(A, 0, 1)
A.clip(-0.5, 0.5)
nd.clip(A, a_min=0)
nd.smooth_l1(A, scalar=1)
nd.smooth_l1(A)
nd.negative(A)
nd.identity(A)
nd.BlockGrad(A)
nd.make_loss(A)
nd.MakeLoss(A)
nd.Activation(A, act_type="softrelu")
nd.Activation(A, act_type="nothing")
nd.LeakyReLU(A, act_type="leaky", slope=0.1)
nd.LeakyReLU(A, act_type="elu", slope=0.5)
nd.LeakyReLU(A, act_type="selu")
nd.LeakyReLU(A, act_type="gelu")
nd.LeakyReLU(A, nd.array([0.1, 0.2, 0.3, 0.4]), act_type="prelu")
nd.LeakyReLU(A, act_type="rrelu")
nd.softmax(A)
nd.softmax(A, axis=0, temperature=2.0)
nd.softmax(A, length=nd.array([1, 2, 4], dtype="int32"), use_length=True)
nd.log_softmax(A)
nd.log_softmax(A, axis=0)
nd.softmin(A)
nd.Softmax(A, nd.array([0, 1, 2]))
nd.SoftmaxOutput(A, nd.array([0, 1, 2]))
nd.SoftmaxActivation(A)
nd.softmax_cross_entropy(A, nd.array([0, 1, 2]))
nd.LinearRegressionOutput(A, A)
nd.LogisticRegressionOutput(A, A)
nd.MAERegressionOutput(A, A)
nd.SVMOutput(A, nd.array([0, 1, 2]))
nd.LayerNorm(A, nd.ones(4), nd.zeros(4))
nd.LayerNorm(A, nd.ones(3), nd.zeros(4))
nd.InstanceNorm(B, nd.ones(3), nd.zeros(3))
nd.GroupNorm(nd.arange(16).reshape((2, 4, 2)), nd.ones(2), nd.zeros(2), num_groups=2)
nd.BatchNorm(A, nd.ones(4), nd.zeros(4), nd.zeros(4), nd.ones(4))
nd.L2Normalization(A)
nd.L2Normalization(B, mode="channel")
nd.L2Normalization(B, mode="spatial")
nd.Dropout(A, p=0.5)
nd.cast(A, "int32")
nd.Cast(A, dtype="float16")
nd.amp_cast(A, dtype="float16")
nd.amp_multicast(A, A.astype("float16"), num_outputs=2)
A.astype("int32")
A.astype(np.uint8)
A.astype("other")
nd.cast(nd.array([1.9, -1.9, 300]), "uint8")
# --- methods
A.shape
A.size
A.ndim
A.dtype
A.stype
str(A.context)
A.asnumpy()
V[:1].asscalar()
V.asscalar()
A.tolist()
len(A)
bool(nd.array([2]))
bool(A)
bool(nd.zeros((0,)))
float(V[:1])
int(V[:1])
repr(V)
V.copy()
A.copyto(nd.zeros((3, 4)))
A.copyto(nd.zeros((3, 3)))
A.as_in_context(mx.cpu(0))
A.copyto(mx.cpu(0))
A.as_nd_ndarray()
A.slice_assign_scalar(5, (0, 0), (1, 2), ())
A.slice_assign(nd.ones((1, 2)), (0, 0), (1, 2), ())
A.writable
[x for x in V]
list(nd.array([[1, 2], [3, 4]]))
A.sum(axis=0)
A.mean()
A.norm()
A.argmax(axis=0)
A.sort(axis=0)
A.topk(k=1)
A.split(2, axis=1)
A.pick(I)
A.one_hot(4).shape
A.tile((1, 2)).shape
A.repeat(2, axis=0).shape
A.pad(mode="constant", pad_width=(0, 0, 0, 0, 1, 1, 1, 1))
A.swapaxes(0, 1)
A.log_softmax()
A.zeros_like()
A.grad
A.wait_to_read()
3 in V
nd.array([1, 2]).asnumpy().flags.writeable
hash(A) == hash(A)
np.array(A)
np.sum(A)
# --- out=
y = nd.zeros((3, 4)); nd.exp(A, out=y); y
y = nd.zeros((3, 4)); nd.add(A, 1, out=y); y
y = nd.zeros((2, 2)); nd.exp(A, out=y)
y = nd.zeros((3, 4)); nd.elemwise_add(A, A, out=y); y
nd.exp(A, name="e")
nd.exp(data=A)
nd.exp(A, unknown=3)
nd.exp()
nd.exp(3)
nd.exp([1, 2])
nd.exp(np.ones(2))
# --- random
kind(nd.random.uniform(shape=(2, 3)))
kind(nd.random.uniform(0, 1, 3))
kind(nd.random.uniform(0, 1))
kind(nd.random.uniform(nd.array([0, 1]), nd.array([1, 2]), shape=3))
kind(nd.random.uniform(shape=2, dtype="float64"))
kind(nd.random.normal(0, 1, (2, 2)))
kind(nd.random.normal(nd.array([0, 1]), nd.array([1, 2])))
kind(nd.random.randn(2, 3))
kind(nd.random.randn())
kind(nd.random.gamma(1, 2, shape=3))
kind(nd.random.exponential(2, shape=3))
kind(nd.random.poisson(2, shape=3))
kind(nd.random.negative_binomial(2, 0.5, shape=3))
kind(nd.random.generalized_negative_binomial(2, 0.5, shape=3))
kind(nd.random.randint(0, 5, shape=3))
kind(nd.random.randint(0, 5, shape=3, dtype="int64"))
kind(nd.random.randint(5, shape=3))
kind(nd.random.multinomial(nd.array([0.5, 0.5]), shape=3))
kind(nd.random.multinomial(nd.array([[0.5, 0.5]])))
kind(nd.random.multinomial(nd.array([0.5, 0.5]), get_prob=True))
kind(nd.random.shuffle(A))
kind(nd.uniform(shape=(2, 3)))
kind(nd.uniform(0, 1, (2, 3)))
kind(nd.normal(shape=(2, 3)))
kind(nd.normal(0, 1, shape=2))
kind(nd.random_uniform(0, 1, shape=(2,)))
kind(nd.random_normal(loc=0, scale=1, shape=(2,)))
kind(nd.random_gamma(alpha=1, beta=2, shape=(2,)))
kind(nd.random_exponential(lam=2, shape=(2,)))
kind(nd.random_poisson(lam=2, shape=(2,)))
kind(nd.random_randint(0, 5, shape=(2,)))
kind(nd.sample_uniform(nd.array([0, 1]), nd.array([1, 2]), shape=3))
kind(nd.sample_normal(nd.array([0, 1]), nd.array([1, 2])))
kind(nd.sample_gamma(nd.array([1, 2]), nd.array([1, 2]), shape=(2, 2)))
kind(nd.sample_multinomial(nd.array([0.5, 0.5]), shape=3))
kind(nd.random.uniform_like(A))
kind(nd.random.normal_like(A, 0, 1))
kind(nd.random.exponential_like(A))
kind(nd.random.gamma_like(A))
kind(nd.random.poisson_like(A))
kind(nd.random.negative_binomial_like(A, k=2, p=0.5))
kind(nd.random.generalized_negative_binomial_like(A))
kind(mx.random.uniform(0, 1, shape=2))
kind(mx.random.normal(0, 1, (2, 2)))
kind(mx.random.randint(0, 2, (2, 2)))
mx.random.seed(3)
mx.random.seed(3, ctx=mx.cpu())
mx.random.seed("a")
y = nd.zeros(3); kind(nd.random.uniform(0, 1, out=y))
y = nd.zeros((2, 2)); kind(nd.random.normal(0, 1, shape=(2, 2), out=y))
nd.random.uniform(2, 1, shape=3).shape
nd.random.normal(0, -1, shape=3)
nd.random_pdf_normal(nd.array([[0, 1]]), nd.array([0]), nd.array([1]))
nd.random_pdf_uniform(nd.array([[0.5, 3]]), nd.array([0]), nd.array([2]))
nd.random_pdf_gamma(nd.array([[0.5, 3]]), nd.array([2]), nd.array([2]))
nd.random_pdf_exponential(nd.array([[0.5, 3]]), nd.array([2]))
nd.random_pdf_poisson(nd.array([[0, 3]]), nd.array([2]))
nd.random_pdf_negative_binomial(nd.array([[0, 3]]), nd.array([2]), nd.array([0.3]))
nd.random_pdf_generalized_negative_binomial(nd.array([[0, 3]]), nd.array([2]), nd.array([0.3]))
nd.random_pdf_dirichlet(nd.array([[0.2, 0.8]]), nd.array([[1, 2]]))
nd.random_pdf_normal(nd.array([[0, 1]]), nd.array([0]), nd.array([1]), is_log=True)
# --- linear algebra
S
nd.linalg.gemm(A, A, nd.ones((3, 3)), transpose_b=True, alpha=2, beta=3)
nd.linalg.gemm2(A, A, transpose_a=True)
nd.linalg.gemm2(A, A)
nd.linalg.potrf(S)
nd.linalg.potrf(-S)
nd.linalg.potrf(A)
nd.linalg.potri(nd.linalg.potrf(S))
nd.linalg.trsm(L, A)
nd.linalg.trsm(L, A, transpose=True, alpha=2)
nd.linalg.trsm(L, A.T, rightside=True)
nd.linalg.trsm(L.T, A, lower=False)
nd.linalg.trmm(L, A)
nd.linalg.trmm(L, A, transpose=True, alpha=2)
nd.linalg.trmm(L, A.T, rightside=True)
nd.linalg.trmm(L.T, A, lower=False)
nd.linalg.syrk(A)
nd.linalg.syrk(A, transpose=True, alpha=2)
nd.linalg.gelqf(G)
nd.linalg.syevd(S)
nd.linalg.sumlogdiag(S)
nd.linalg.extractdiag(S)
nd.linalg.extractdiag(A, offset=1)
nd.linalg.makediag(V)
nd.linalg.makediag(V, offset=-1)
nd.linalg.extracttrian(S)
nd.linalg.extracttrian(S, lower=False)
nd.linalg.extracttrian(S, offset=1)
nd.linalg.extracttrian(S, offset=-1)
nd.linalg.maketrian(nd.array([1, 2, 3, 4, 5, 6]))
nd.linalg.maketrian(nd.array([1, 2, 3, 4, 5, 6]), lower=False)
nd.linalg.maketrian(nd.array([1, 2, 3]), offset=1)
nd.linalg.maketrian(nd.array([1, 2, 3]), offset=-1)
nd.linalg.maketrian(nd.array([1, 2]))
nd.linalg.det(S)
nd.linalg.slogdet(S)
nd.linalg.slogdet(-S)
nd.linalg.inverse(S)
nd.linalg.inverse(nd.zeros((2, 2)))
nd.linalg.inverse(A)
nd.linalg.det(nd.stack(S, S))
nd.linalg.potrf(nd.stack(S, 2 * S))
nd.linalg.gelqf(nd.stack(G, 2 * G))
nd.linalg.extractdiag(nd.stack(S, S))
nd.linalg.makediag(A).shape
nd.linalg.sumlogdiag(nd.stack(S, S))
nd.linalg.trsm(nd.stack(L, L), nd.stack(A, A))
nd.linalg_potrf(S)
grads(lambda x: nd.linalg.potrf(x), S)
grads(lambda x: nd.linalg.potri(x), L)
grads(lambda a, b: nd.linalg.trsm(a, b), L, A)
grads(lambda a, b: nd.linalg.trsm(a, b, rightside=True, transpose=True, alpha=2), L, A.T)
grads(lambda a, b: nd.linalg.trmm(a, b), L, A)
grads(lambda a, b: nd.linalg.trmm(a, b, rightside=True, transpose=True, alpha=2), L, A.T)
grads(lambda x: nd.linalg.syrk(x), A)
grads(lambda x: nd.linalg.gelqf(x), G)
grads(lambda x: nd.linalg.syevd(x), S)
grads(lambda x: nd.linalg.sumlogdiag(x), S)
grads(lambda x: nd.linalg.extractdiag(x), S)
grads(lambda x: nd.linalg.makediag(x, offset=1), V)
grads(lambda x: nd.linalg.extracttrian(x), S)
grads(lambda x: nd.linalg.maketrian(x), nd.arange(6))
grads(lambda x: nd.linalg.det(x), S)
grads(lambda x: nd.linalg.slogdet(x)[1], S)
grads(lambda x: nd.linalg.inverse(x), S)
grads(lambda a, b, c: nd.linalg.gemm(a, b, c, transpose_b=True), A, A + 1, nd.ones((3, 3)))
# --- contrib
nd.contrib.isfinite(nd.array([1, np.inf, np.nan]))
nd.contrib.isinf(nd.array([1, np.inf, np.nan]))
nd.contrib.isnan(nd.array([1, np.inf, np.nan]))
nd.contrib.allclose(A, A)
nd.contrib.allclose(A, A + 1e-3)
nd.contrib.div_sqrt_dim(A)
nd.contrib.quadratic(A, a=1, b=2, c=3)
nd.contrib.gradientmultiplier(A, scalar=2)
grads(lambda x: nd.contrib.gradientmultiplier(x, scalar=2), A)
nd.contrib.round_ste(A)
grads(lambda x: nd.contrib.round_ste(x), A)
grads(lambda x: nd.contrib.sign_ste(x), A)
nd.contrib.fft(A)
nd.contrib.ifft(nd.ones((2, 8)))
kind(nd.contrib.rand_zipfian(nd.array([3]), 4, 5))
nd.contrib.foreach(lambda x, s: (x + s, x + s), nd.array([1, 2, 3]), nd.array([0]))
nd.contrib.foreach(lambda x, s: (x + s[0], [x * s[0]]), A, [nd.ones(4)])
nd.contrib.while_loop(lambda i, s: i < 4, lambda i, s: ([i + s], [i + 1, s + i]), (I[:1], V[:1]), max_iterations=6)
nd.contrib.while_loop(lambda i: i < 3, lambda i: (i, i + 1), nd.array([0]), max_iterations=3)
nd.contrib.cond(nd.array([1]), lambda: V, lambda: -V)
nd.contrib.cond(nd.array([0]), lambda: V, lambda: -V)
nd.contrib.interleaved_matmul_selfatt_qk(nd.arange(24).reshape((2, 1, 12)), heads=2)
nd.contrib.interleaved_matmul_selfatt_valatt(nd.arange(24).reshape((2, 1, 12)), nd.ones((2, 2, 2)), heads=2)
nd.contrib.interleaved_matmul_encdec_qk(nd.arange(8).reshape((2, 1, 4)), nd.arange(16).reshape((2, 1, 8)), heads=2)
nd.contrib.interleaved_matmul_encdec_valatt(nd.arange(16).reshape((2, 1, 8)), nd.ones((2, 2, 2)), heads=2)
nd.contrib.count_sketch(A, nd.array([[0, 1, 1, 0]]), nd.array([[1, -1, 1, 1]]), out_dim=2)
nd.CTCLoss(nd.arange(24).reshape((4, 2, 3)) / 10, nd.array([[1, 0], [2, 1]]))
nd.contrib.CTCLoss(nd.arange(24).reshape((4, 2, 3)) / 10, nd.array([[1, 0], [2, 1]]))
# --- images of dense programs
nd.image.to_tensor(nd.array(np.arange(12).reshape((2, 2, 3)), dtype="uint8"))
nd.image.to_tensor(nd.array(np.arange(24).reshape((2, 2, 2, 3)), dtype="uint8")).shape
nd.image.normalize(nd.ones((3, 2, 2)), mean=(0.1, 0.2, 0.3), std=(1, 2, 3))
nd.image.normalize(nd.ones((1, 2, 2)), 0.5, 0.5)
nd.image.flip_left_right(nd.arange(12).reshape((2, 2, 3)))
nd.image.flip_top_bottom(nd.arange(12).reshape((2, 2, 3)))
nd.image.crop(nd.arange(48).reshape((4, 4, 3)), x=1, y=0, width=2, height=3).shape
nd.image.resize(nd.arange(48).reshape((4, 4, 3)), size=(2, 2)).shape
kind(nd.image.random_flip_left_right(nd.arange(12).reshape((2, 2, 3))))
kind(nd.image.random_flip_top_bottom(nd.arange(12).reshape((2, 2, 3))))
kind(nd.image.random_brightness(nd.arange(12).reshape((2, 2, 3)), 0.5, 1.5))
kind(nd.image.random_contrast(nd.arange(12).reshape((2, 2, 3)), 0.5, 1.5))
kind(nd.image.random_saturation(nd.arange(12).reshape((2, 2, 3)), 0.5, 1.5))
nd.image.random_brightness(nd.arange(12).reshape((2, 2, 3)), 0.5, 0.5)
nd.image.random_contrast(nd.arange(12).reshape((2, 2, 3)), 0.5, 0.5)
nd.image.random_saturation(nd.arange(12).reshape((2, 2, 3)), 0.5, 0.5)
nd.image.random_hue(nd.arange(12).reshape((2, 2, 3)), 0.5, 0.5)
nd.image.adjust_lighting(nd.arange(12).reshape((2, 2, 3)), alpha=(0.1, 0.2, 0.3))
# --- updates
y = A.copy(); nd.sgd_update(y, A, out=y, lr=0.1, wd=0.01); y
y = A.copy(); m = nd.zeros_like(A); nd.sgd_mom_update(y, A, m, out=y, lr=0.1, momentum=0.9); [y, m]
y = A.copy(); m = nd.ones_like(A); nd.nag_mom_update(y, A, m, out=y, lr=0.1, momentum=0.9); [y, m]
y = A.copy(); m = nd.ones_like(A); v = nd.ones_like(A); nd.adam_update(y, A, m, v, out=y, lr=0.1); [y, m, v]
y = A.copy(); n = nd.ones_like(A); nd.rmsprop_update(y, A, n, out=y, lr=0.1); [y, n]
y = A.copy(); d = nd.ones_like(A); v = nd.ones_like(A); z = nd.ones_like(A); nd.ftml_update(y, A, d, v, z, out=y, lr=0.1, t=3, wd=0.2, clip_grad=0.5); [y, d, v, z]
y = A.copy(); m = nd.ones_like(A); v = nd.ones_like(A); nd.adam_update(y, A, m, v, out=y, lr=0.1, wd=0.2, clip_gradient=0.5); [y, m, v]
y = A.copy(); n = nd.ones_like(A); nd.rmsprop_update(y, A, n, out=y, lr=0.1, wd=0.2, clip_gradient=0.5); [y, n]
y = A.copy(); z = nd.ones_like(A); n = nd.ones_like(A); nd.ftrl_update(y, A, z, n, out=y, lr=0.1); [y, z, n]
y = A.copy(); nd.signsgd_update(y, A, out=y, lr=0.1); y
y = A.copy(); m = nd.ones_like(A); nd.signum_update(y, A, m, out=y, lr=0.1, momentum=0.9); [y, m]
nd.sgd_update(A, A, lr=0.1, clip_gradient=0.2, rescale_grad=2)
y = A.astype("float16"); w = A * 1; nd.mp_sgd_update(y, y, w, out=y, lr=0.1, wd=0.01, clip_gradient=0.5); [y, w]
y = A.astype("float16"); w = A * 1; m = nd.ones_like(A); nd.mp_sgd_mom_update(y, y, m, w, out=y, lr=0.1, momentum=0.9); [y, m, w]
y = A.astype("float16"); w = A * 1; m = nd.ones_like(A); nd.mp_nag_mom_update(y, y, m, w, out=y, lr=0.1, momentum=0.9); [y, m, w]
y = A.astype("float16"); w = A * 1; m = nd.ones_like(A); nd.mp_nag_mom_update(y, y, m, w, out=y, lr=0.1, momentum=0.9, wd=0.1); [y, m, w]
y = A.copy(); z = A * 2; nd.multi_sgd_update(y, A, z, A, out=[y, z], lrs=(0.1, 0.2), wds=(0.1, 0.0), num_weights=2); [y, z]
y = A.copy(); m = nd.ones_like(A); nd.multi_sgd_mom_update(y, A, m, out=[y], lrs=(0.1,), wds=(0.1,), momentum=0.9, rescale_grad=0.5); [y, m]
y = A.astype("float16"); w = A * 1; nd.multi_mp_sgd_update(y, y, w, out=y, lrs=(0.1,), wds=(0.1,)); [y, w]
y = A.astype("float16"); w = A * 1; m = nd.ones_like(A); nd.multi_mp_sgd_mom_update(y, y, m, w, out=y, lrs=(0.1,), wds=(0.1,), momentum=0.9); [y, m, w]
y = A.copy(); z = A * 2; nd.preloaded_multi_sgd_update(y, A, z, A, V, V, out=[y, z], num_weights=2); [y, z]
y = A.copy(); z = A * 2; nd.preloaded_multi_sgd_update(y, A, z, A, V[:2], V[1:], out=[y, z], num_weights=2); [y, z]
y = A.copy(); m = nd.ones_like(A); nd.preloaded_multi_sgd_mom_update(y, A, m, nd.array([0.1]), nd.array([0.2]), out=y, momentum=0.9, clip_gradient=0.5); [y, m]
y = A.astype("float16"); w = A * 1; nd.preloaded_multi_mp_sgd_update(y, y, w, nd.array([0.1]), nd.array([0.2]), out=y); [y, w]
y = A.astype("float16"); w = A * 1; m = nd.ones_like(A); nd.preloaded_multi_mp_sgd_mom_update(y, y, m, w, nd.array([0.1]), nd.array([0.2]), out=y, momentum=0.9); [y, m, w]
m = nd.ones_like(A); v = nd.ones_like(A); [nd.lamb_update_phase1(A, A, m, v, t=3, wd=0.1, rescale_grad=0.5, clip_gradient=0.2), m, v]
m = nd.ones_like(A); v = nd.ones_like(A); nd.lamb_update_phase1(A, A, m, v, t=3, wd=0.1, bias_correction=False)
[nd.lamb_update_phase2(A, A * A, A.norm(), (A * A).norm(), lr=0.1, lower_bound=low, upper_bound=high) for low in (-1, 3) for high in (-1, 2)]
nd.lamb_update_phase2(A, A * A, nd.zeros((1,)), A.norm(), lr=0.1)
m = nd.ones_like(A); v = nd.ones_like(A); nd.mp_lamb_update_phase1(A.astype("float16"), A.astype("float16"), m, v, A, t=3, wd=0.1)
nd.mp_lamb_update_phase2(A.astype("float16"), A * A, A.norm(), (A * A).norm(), A * 1, lr=0.1)
w = A * 1; nd.mp_lamb_update_phase2(A.astype("float16"), A * A, A.norm(), (A * A).norm(), w, lr=0.1); w
nd.multi_lars(nd.array([0.1, 0.2, 0.3]), nd.array([4, 0, 9]), nd.array([1, 2, 0]), nd.array([0.1, 0.1, 0.1]), eta=0.01, eps=1e-3, rescale_grad=0.5)
y = A.copy(); nd.reset_arrays(y, V, num_arrays=2); [y, V]
y = A.copy(); m = nd.ones_like(A); v = nd.ones_like(A); nd.contrib.adamw_update(y, A, m, v, nd.array([0.5]), lr=0.1, eta=0.7, wd=0.1, clip_gradient=0.3, out=y); [y, m, v]
y = A.copy(); m = nd.ones_like(A); v = nd.ones_like(A); nd.contrib.adamw_update(y, A, m, v, 0.5, lr=0.1, eta=0.7, out=y); A
y = A.copy(); m = nd.ones_like(A); v = nd.ones_like(A); nd.contrib.adamw_update(y, A, m, v, float("nan"), lr=0.1, eta=0.7, wd=0.1, out=y); [y, m, v]
y = A.astype("float16"); w = A * 1; m = nd.ones_like(A); v = nd.ones_like(A); nd.contrib.mp_adamw_update(y, A.astype("float16"), m, v, w, 0.5, lr=0.1, eta=0.7, wd=0.1, out=y); [y, m, v, w]
y = A.copy(); m = nd.ones_like(A); v = nd.ones_like(A); nd.contrib.multi_adamw_update([y], [A], [m], [v], 0.5, lrs=(0.1,), wds=(0.1,), etas=(0.7,), out=[y]); [y, m, v]
y = A.astype("float16"); w = A * 1; m = nd.ones_like(A); v = nd.ones_like(A); nd.contrib.multi_mp_adamw_update([y], [A.astype("float16")], [m], [v], [w], 0.5, lrs=(0.1,), wds=(0.1,), etas=(0.7,), out=[y]); [y, m, v, w]
y = A.copy(); m = nd.ones_like(A); v = nd.ones_like(A); nd.contrib.multi_lamb_update([y], [A], [m], [v], step_count=(3,), lrs=(0.1,), wds=(0.1,), out=[y], upper_bound=2.0); [y, m, v]
y = A.astype("float16"); w = A * 1; m = nd.ones_like(A); v = nd.ones_like(A); nd.contrib.multi_mp_lamb_update([y], [A.astype("float16")], [m], [v], [w], step_count=(3,), lrs=(0.1,), wds=(0.1,), out=[y], bias_correction=False); [y, m, v, w]
# --- gradients
grads(lambda x: nd.take(x, nd.array([0, 2, 0])), A)
grads(lambda x: nd.where(x > 0, x * 2, x * 3), A)
grads(lambda x: nd.where(nd.array([1, 0, 1]), x, -x), A)
grads(lambda x: x > 0, A)
grads(lambda x: (x > 0) * x, A)
grads(lambda x: nd.BlockGrad(x), A)
grads(lambda x: nd.BlockGrad(x) * x, A)
grads(lambda x: nd.round(x) + x, A)
grads(lambda x: nd.floor(x), A)
grads(lambda x: nd.sign(x), A)
grads(lambda x: nd.one_hot(x, 3), I)
grads(lambda x: nd.argmax(x, axis=1), A)
grads(lambda x: nd.topk(x, k=2, ret_typ="value"), A)
grads(lambda x: nd.sort(x), A)
grads(lambda x: nd.max(x, axis=0), nd.array([[1, 2], [1, 0]]))
grads(lambda x: nd.norm(x), A)
grads(lambda x: nd.norm(x), nd.zeros((2,)))
grads(lambda x: nd.norm(x, ord=1), A)
grads(lambda x: nd.prod(x), V)
grads(lambda x: nd.prod(x), nd.array([0, 2, 3]))
grads(lambda x: nd.nansum(x), nd.array([1, np.nan]))
grads(lambda x: nd.clip(x, -0.5, 0.5), A)
grads(lambda x: nd.abs(x), A)
grads(lambda x, y: nd.maximum(x, y), A, A * 2)
grads(lambda x, y: nd.minimum(x, y), A, A)
grads(lambda x: nd.maximum(x, 0), A)
grads(lambda x: nd.maximum(0, x), A)
grads(lambda x: nd.relu(x), A)
grads(lambda x: nd.sqrt(x), nd.array([0, 4]))
grads(lambda x, y: nd.broadcast_mod(x, y), nd.array([5, -5]), nd.array([3, 3]))
grads(lambda x: x % 3, nd.array([5, -5]))
grads(lambda x: 7 % x, nd.array([5, -5]))
grads(lambda x, y: nd.broadcast_power(x, y), nd.array([2, 3]), nd.array([2, 0]))
grads(lambda x: 2 ** x, A)
grads(lambda x: x ** 3, A)
grads(lambda x: x ** 0, A)
grads(lambda x, y: nd.broadcast_hypot(x, y), nd.array([3]), nd.array([4]))
grads(lambda x, y: nd.dot(x, y), A, A.T)
grads(lambda x, y: nd.batch_dot(x, y, transpose_b=True), B, B + 1)
grads(lambda x: nd.softmax(x), A)
grads(lambda x: nd.log_softmax(x), A)
grads(lambda x: nd.softmin(x, axis=0), A)
grads(lambda x: nd.softmax(x, length=nd.array([1, 2, 4], dtype="int32"), use_length=True), A)
grads(lambda x: nd.SoftmaxOutput(x, nd.array([0, 1, 2])), A)
grads(lambda x: nd.SoftmaxOutput(x, nd.array([0, 1, 2]), grad_scale=2, normalization="batch"), A)
grads(lambda x: nd.SoftmaxOutput(x, nd.array([0, 1, 2]), use_ignore=True, ignore_label=1, normalization="valid"), A)
grads(lambda x: nd.SoftmaxOutput(x, nd.array([0, 1, 2]), smooth_alpha=0.1), A)
grads(lambda x: nd.SoftmaxOutput(x, nd.array([0, 1, 2]), out_grad=True), A)
grads(lambda x: nd.LinearRegressionOutput(x, A * 2), A.copy())
grads(lambda x: nd.LogisticRegressionOutput(x, A * 2), A.copy())
grads(lambda x: nd.MAERegressionOutput(x, A * 2, grad_scale=3), A.copy())
grads(lambda x: nd.SVMOutput(x, nd.array([0, 1, 2])), A)
grads(lambda x: nd.SVMOutput(x, nd.array([0, 1, 2]), use_linear=True), A)
grads(lambda x: nd.MakeLoss(x, grad_scale=2), A)
[grads(lambda x: nd.MakeLoss(x, normalization="batch"), x) for x in (nd.array([1, 2, 3]), A, A.reshape((2, 3, 2)), A.reshape((2, 1, 3, 2)))]
[grads(lambda x: nd.MakeLoss(x, normalization="valid", valid_thresh=v), x) for v in (0, 0.5, 100) for x in (nd.array([0, 1, 2]), nd.array([[0, 1], [2, 3]]))]
[grads(lambda x: nd.SoftmaxOutput(x, nd.array([[0, 1, 1], [1, 0, 1]]), preserve_shape=True, use_ignore=i, ignore_label=1, normalization=n), A.reshape((2, 3, 2))) for i in (False, True) for n in ("null", "batch", "valid")]
[grads(lambda x: nd.SoftmaxOutput(x, nd.array([[0, 1], [1, 0]]), multi_output=True, use_ignore=i, ignore_label=1, normalization=n), A.reshape((2, 3, 2))) for i in (False, True) for n in ("null", "batch", "valid")]
grads(lambda x: nd.make_loss(x), A)
grads(lambda x: nd.smooth_l1(x, scalar=2), A)
grads(lambda x: nd.Embedding(nd.array([0, 2, 0]), x, input_dim=3, output_dim=4), A)
grads(lambda x: nd.gather_nd(x, nd.array([[0, 0], [1, 1]])), A)
grads(lambda x: nd.pick(x, I), A)
grads(lambda x: nd.batch_take(x, I), A)
grads(lambda x: nd.tile(x, (2, 2)), A)
grads(lambda x: nd.repeat(x, 2, axis=1), A)
grads(lambda x: nd.pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)), nd.arange(4).reshape((1, 1, 2, 2)))
grads(lambda x: nd.split(x, 2, axis=1)[1], A)
grads(lambda x: x[1:, ::2], A)
grads(lambda x: x[[0, 0, 2]], A)
grads(lambda x: x.astype("float64"), A)
grads(lambda x: nd.cumsum(x, axis=1), A)
grads(lambda x: nd.moments(x, axes=(0,)), A)
grads(lambda x, g, b: nd.sin(nd.LayerNorm(x, g, b)), A, nd.ones(4) * 2, nd.ones(4))
grads(lambda x, g, b: nd.sin(nd.InstanceNorm(x, g, b)), B / 5, nd.ones(3) * 2, nd.ones(3))
grads(lambda x: nd.L2Normalization(x), A)
grads(lambda x: nd.SequenceMask(x, nd.array([1, 2, 1]), use_sequence_length=True), B)
grads(lambda x: nd.SequenceLast(x, nd.array([1, 2, 1]), use_sequence_length=True), B)
grads(lambda x: nd.SequenceReverse(x, nd.array([1, 2, 1]), use_sequence_length=True), B)
grads(lambda x: nd.khatri_rao(x, x), A)
grads(lambda x: nd.diag(x), A)
grads(lambda x: nd.diag(x, k=1), V)
grads(lambda x: nd.contrib.boolean_mask(x, nd.array([0, 1, 1])), A)
grads(lambda x, y: nd.contrib.index_copy(x, nd.array([2, 0]), y), nd.zeros((3, 2)), nd.ones((2, 2)))
grads(lambda x: nd.contrib.quadratic(x, a=1, b=2, c=3), A)
grads(lambda x: nd.contrib.div_sqrt_dim(x), A)
grads(lambda x: nd.contrib.foreach(lambda a, s: (a * s, a * s), x, nd.ones(4))[0], A)
grads(lambda x, y: nd.add_n(x, y, x), A, A + 1)
grads(lambda x: nd.depth_to_space(x, 2), nd.arange(8).reshape((1, 4, 1, 2)))
grads(lambda x: nd.stack(x, x, axis=1), A)
grads(lambda x: nd.concat(x, 2 * x, dim=0), A)
grads(lambda x: nd.scatter_nd(x, nd.array([[1, 0], [0, 1]]), shape=(2, 2)), nd.array([2, 3]))
grads(lambda x: nd.CTCLoss(x, nd.array([[1, 0], [2, 1]])), nd.arange(24).reshape((4, 2, 3)) / 10)
grads(lambda x: nd.arctan2(x, nd.array([2])), nd.array([3]))
grads(lambda x: nd.LeakyReLU(x, act_type="gelu"), A)
grads(lambda x: nd.LeakyReLU(x, act_type="elu"), A)
grads(lambda x, g: nd.LeakyReLU(x, g, act_type="prelu"), A, nd.array([0.1]))
grads(lambda x: nd.hard_sigmoid(x), A * 3)
grads(lambda x: nd.gamma(x), A + 1.3)
grads(lambda x: nd.digamma(x), A + 1.3)
grads(lambda x: nd.identity(x), A)
grads(lambda x: nd.reshape(x, (4, 3)), A)
grads(lambda x: nd.broadcast_to(x, (3, 3)), V)
grads(lambda x: nd.sum(x, axis=1, exclude=True), A)
grads(lambda x: nd.mean(x), A)
grads(lambda x: x + 1, nd.array([1, 2], dtype="int32"))
grads(lambda x: x * 2, nd.array([1, 2], dtype="float16"))
# --- autograd
autograd.is_recording()
autograd.is_training()
autograd.set_recording(False)
A.backward()
A.attach_grad(); A.grad
A.attach_grad(grad_req="nothing")
A.attach_grad(); autograd.grad(A, A)
A.detach()
autograd.grad([A], [A])
autograd.backward(A)
autograd.mark_variables([A], [nd.zeros_like(A)])
autograd.get_symbol(A)
# --- around
mx.cpu()
str(mx.cpu(1))
mx.cpu() == mx.cpu(0)
mx.cpu() == mx.cpu(1)
mx.gpu(0).device_type
mx.Context("cpu", 0).device_typeid
str(mx.context.current_context())
mx.context.num_gpus()
mx.Context(mx.cpu(3)).device_id
str(mx.context.Context.default_ctx)
mx.nd.zeros(2, ctx=mx.gpu(0))
mx.context.gpu_memory_info(0)
mx.MXNetError is mx.base.MXNetError
issubclass(mx.base.MXNetError, RuntimeError)
mx.base.string_types
mx.base.numeric_types
mx.base.integer_types
mx.name.NameManager.current.get(None, "dense")
mx.name.NameManager().get("own", "dense")
[mx.name.NameManager().get(None, "dense") for i in range(2)]
mx.name.Prefix("p_").get(None, "dense")
mx.AttrScope(a="1").get({"b": "2"})
mx.AttrScope(a=1)
mx.attribute.AttrScope(a="1").get(None)
mx.util.is_np_shape()
mx.util.is_np_array()
mx.is_np_shape()
mx.util.np_shape(True).__class__.__name__
mx.util.set_np_shape(False)
mx.util.get_gpu_count()
mx.util.getenv("HOME")
mx.util.getenv("NOT_THERE")
type(mx.runtime.feature_list()).__name__
mx.runtime.Features().is_enabled("CUDA")
mx.runtime.Features().is_enabled("NOTHING")
"CUDA" in mx.runtime.Features()
mx.engine.set_bulk_size(10) >= 0
mx.waitall()
nd.waitall()
mx.test_utils.same(A, A)
mx.test_utils.almost_equal(A.asnumpy(), A.asnumpy() + 1e-3)
mx.test_utils.assert_almost_equal(A, A + 1e-3)
mx.test_utils.assert_almost_equal(A, A)
mx.test_utils.rand_shape_2d(2, 2) <= (2, 2)
len(mx.test_utils.rand_shape_nd(4))
len(mx.test_utils.rand_shape_3d())
kind(mx.test_utils.rand_ndarray((2, 3)))
mx.test_utils.default_dtype()
mx.test_utils.collapse_sum_like(np.ones((2, 3)), (1, 3))
mx.test_utils.np_reduce(np.ones((2, 3)), 0, True, np.sum)
mx.test_utils.get_rtol()
mx.test_utils.list_gpus()
mx.viz is mx.visualization
mx.rnd is mx.random
mx.kv is mx.kvstore
mx.init.Xavier().__class__.__name__
"""


def hidden_state_is_carried(mx: Any) -> Any:
    """A recurrent loop without `detach`."""
    w, h = mx.nd.array([2.0]), mx.nd.array([1.0])
    w.attach_grad()
    found = []
    for _ in range(3):
        with mx.autograd.record():
            h = h * w
            loss = h * h
        loss.backward()
        found.append(w.grad.asscalar())
    return found


def used_up_part_is_shared(mx: Any) -> Any:
    """Two losses of one recording."""
    w = mx.nd.array([2.0])
    w.attach_grad()
    with mx.autograd.record():
        h = w * 3
        first, second = h * h, h * w
    first.backward()
    second.backward()


def whole_array_is_assigned(mx: Any) -> Any:
    """What is written over a whole array takes its place in the graph."""
    w, x = mx.nd.array([1.0, 2.0]), mx.nd.zeros(2)
    w.attach_grad()
    with mx.autograd.record():
        x[:] = w * 2
        loss = x * x
    loss.backward()
    return w.grad


def part_is_assigned(mx: Any) -> Any:
    """A gradient would be lost."""
    w, x = mx.nd.array([1.0, 2.0]), mx.nd.zeros(2)
    w.attach_grad()
    with mx.autograd.record():
        x[0] = (w * 2)[0]


def stale_gradients_become_zero(mx: Any) -> Any:
    """What is only reached through BlockGrad."""
    x, v = mx.nd.array([1.0, 2.0]), mx.nd.array([1.0, 2.0])
    x.attach_grad()
    v.attach_grad()
    x.grad[:] = 7
    with mx.autograd.record():
        loss = mx.nd.BlockGrad(x) * v
    loss.backward()
    return [x.grad, v.grad]


PROGRAMS: list[Any] = [
    hidden_state_is_carried, used_up_part_is_shared, whole_array_is_assigned, part_is_assigned,
    stale_gradients_become_zero,
]  # fmt: skip

_MORE = "an error in MXNet; lamina takes it"
_EMPTY = "arrays without elements are an error in MXNet 1.x; lamina has them"
_NOT_THERE = "no function of MXNet's; lamina has it"
_INTERNAL = "internal to MXNet's Python package"
_C_LIBRARY = "belongs to MXNet's C library"
_SPARSE = "of sparse storage; lamina's arrays are dense"

SETTLED: dict[str, str] = {
    'w = A * 1; nd.mp_lamb_update_phase2(A.astype("float16"), A * A, A.norm(), (A * A).norm(), w, lr=0.1); w': (
        "broken in MXNet: it does not write the weights that it keeps in float32"
    ),
    "y = A.copy(); m = nd.ones_like(A); v = nd.ones_like(A); nd.contrib.adamw_update(y, A, m, v, 0.5, lr=0.1, eta=0.7, "
    "out=y); A": "MXNet writes the rescaled gradient over the gradient",
    # names
    **dict.fromkeys(
        (
            "mx.api", "mx.error", "mx.log", "mx.registry", "mx.ndarray_doc", "mx.symbol_doc", "mx.notebook",
            "mx.nd.gen_*", "mx.nd.op", "mx.nd.register", "mx.nd.utils", "mx.nd.get_*", "mx.nd.indexing_key_*",
            "mx.nd.random.NDArray", "mx.nd.random.current_context", "mx.nd.random.numeric_types", "mx.nd.contrib.mx",
            "mx.nd.contrib.ndarray", "mx.nd.contrib.np", "mx.nd.contrib.current_context", "mx.nd.contrib.uniform",
            "mx.nd.contrib.backward_*", "mx.autograd.*", "mx.random.*", "mx.context.c*", "mx.context.w*",
            "mx.name.[a-z]*",
            "mx.attribute.[a-z]*", "mx.runtime.check_call", "mx.engine.check_call", "mx.util.set_module",
            "mx.util.np_ufunc_legal_option", "mx.util.wrap_np_*", "mx.test_utils.[A-Z]*", "mx.test_utils.mx",
            "mx.test_utils.np*", "mx.test_utils.rnd", "mx.test_utils.ss", "mx.test_utils.use_np",
        ),
        _INTERNAL,
    ),
    **dict.fromkeys(("mx.base.*", "mx.util.*_str", "mx.util.check_call", "mx.nd.Custom"), _C_LIBRARY),
    "mx.context.gpu_memory_info": "ask the system (nvidia-smi)",
    "mx.util.get_cuda_compute_capability": "ask the system (nvidia-smi)",
    "mx.util.get_gpu_memory": "ask the system (nvidia-smi)",
    "mx.test_utils.*": "a helper of MXNet's own tests (of symbols, sparse arrays, downloads, statistics)",
    "mx.nd.IdentityAttachKLSparseReg": "not there; add the penalty to the loss",
    "mx.nd.contrib.hawkesll": "not there; lamina has no point processes",
    **dict.fromkeys(
        ("mx.nd.contrib.fft", "mx.nd.contrib.ifft", "mx.nd.contrib.count_sketch"), "on GPUs alone in MXNet; not there"
    ),
    # arguments
    **dict.fromkeys(("mx.nd.BatchNorm(*)", "mx.nd.contrib.gradientmultiplier(is_int)"), "accepted, or without meaning"),
    **dict.fromkeys(
        ("mx.nd.Embedding(dtype)", "mx.nd.full(dtype)", "mx.nd.image.normalize(*)"), "the same in another spelling"
    ),
    **dict.fromkeys(("*NDArray(handle)", "*NDArray(writable)"), "arrays are made by nd.array and its like"),
    **dict.fromkeys(("mx.nd.*dot(forward_stype)",), _SPARSE),
    "mx.nd.from_numpy(array_cls)": "there is one class of arrays",
    "mx.nd.NDArray.broadcast_like(other)": "the argument is called rhs, as that of nd.broadcast_like",
    "mx.test_utils.*(*)": "of sparse storage, or without meaning here",
    # results: lamina takes more
    **dict.fromkeys(
        (
            "nd.zeros(np.array([2, 3]))", "nd.reshape(A, shape=nd.array([4, 3]))", "nd.reshape(A, np.array([4, 3]))", "A.reshape(np.array([4, 3]))",
            "y = A.reshape((-1,), inplace=True); y", "nd.transpose(B, axes=(2, -3, 1)).shape",
            "B.transpose(2, 0, 1).shape", "nd.broadcast_to(nd.array([1, 2]), (3, 2))",
            'nd.pad(A, mode="constant", pad_width=(1, 1, 1, 1))', "nd.batch_take(A, nd.array([0, 1, 9]))",
            "nd.where(A > 0, A, 0)", "nd.where(A > 0, V.reshape((3, 1)), A)", "nd.where(A > 0, 1, A)", "nd.where(nd.array([[1], [0], [1]]), A, -A)",
            "nd.contrib.boolean_mask(A, nd.array([1, 0, 0, 1]), axis=1)", 'nd.norm(A, axis=0, out_dtype="float64")',
            "A @ A.T", "A + np.ones((3, 4))", "np.ones((3, 4)) + A", "A + [1, 2, 3, 4]", "nd.broadcast_add(A, 1)",
            "nd.elemwise_add(A, nd.ones((1, 4)))",
            'nd.dot(nd.array([[1, 2]], dtype="int32"), nd.array([[1], [2]], dtype="int32"))',
            'nd.amp_multicast(A, A.astype("float16"), num_outputs=2)', "A.tolist()", "float(V[:1])", "int(V[:1])",
            "y = nd.zeros((3, 4)); nd.add(A, 1, out=y); y", "nd.exp(np.ones(2))", "kind(nd.random.randn())",
            "kind(nd.random.randint(5, shape=3))", "grads(lambda x: nd.batch_take(x, I), A)",
            "grads(lambda x: nd.khatri_rao(x, x), A)", "grads(lambda x: nd.broadcast_to(x, (3, 3)), V)",
        ),
        _MORE,
    ),
    **dict.fromkeys(
        ("nd.zeros((2, 0))", "nd.tile(V, 0)", "nd.arange(5, 1)", "nd.arange(0)", "nd.sum(nd.zeros((0, 2)), axis=0)",
            "bool(nd.zeros((0,)))"),
        _EMPTY,
    ),
    **dict.fromkeys(
        (
            "nd.arctan2(*", "nd.hypot(*", "nd.digamma(*", "nd.log_sigmoid(*", "nd.mish(*",
            "grads(lambda x: nd.arctan2*",
            "grads(lambda x: nd.digamma*",
        ),
        _NOT_THERE,
    ),
    # results: MXNet is broken
    "nd.array(5)": "shape (1,); MXNet's array of shape () is one that no operator takes",
    "nd.array(True)": "shape (1,); MXNet's array of shape () is one that no operator takes",
    "nd.contrib.allclose(*": "shape (1,); MXNet's array of shape () is one that no operator takes",
    "nd.histogram(nd.array([[]1, 2, 2, 3, 5]), bins=3)": "counts are int64 always; in MXNet only with a range",
    "A[[]np.array([[]True, False, True])]": "a mask; MXNet takes True for 1",
    "grads(lambda x: nd.sort(x), A)": "MXNet's gradient of sort fails with the default axis",
    "grads(lambda x: nd.prod(x), nd.array([[]0, 2, 3]))": "the gradient of prod at 0; MXNet gives NaN",
    "grads(lambda x: nd.log_softmax(x), A)": "MXNet's kernel on a processor is off by 3e-6",
    "grads(lambda x: nd.SoftmaxOutput(x, nd.array([[]0, 1, 2]), out_grad=True), A)":
        "the gradient from above multiplies, as documented; in MXNet the output does",
    'nd.array([[]5, 7], dtype="int32") + 1.5': "an error that says so; MXNet cuts 1.5 to 1 silently",
    'nd.array([[]5, 0], dtype="int32") / 0': "0; MXNet's process ends",
    "nd.contrib.while_loop(lambda i, s:*": "zeros for steps that were not made; MXNet leaves them as memory was",
    "np.array(A)": "quick; MXNet's process runs out of stack or takes each element by itself",
    "nd.random_pdf_uniform(*": "0 outside of the interval; MXNet does not look",
    "nd.image.random_saturation(*0.5, 0.5)": "towards gray; MXNet forgets red and green when it computes it",
    # results: different on purpose
    "nd.gather_nd(A, nd.array([[][[]0, 1], [[]1, 9]]))": "an index out of range is clipped; in MXNet an error, later",
    "nd.LeakyReLU(A, act_type=\"rrelu\")": "the result alone; MXNet adds the slopes",
    'nd.take(A, nd.array([[]0, -1]), mode="raise")': "an index from -size on counts from the end, as in NumPy; an error in MXNet",
    "A == [N\"]*": "False, as Python does; in MXNet an error",
    "np.sum(A)": "NumPy's functions give NumPy's results",
    "mx.util.np_shape(True).__class__.__name__": "a class of another name",
    "nd.image.r*": "lamina has no resizing and no hues",
}  # fmt: skip
