"""Sums over a tree that is cut anywhere, and trainings whose batches are cut, in one process."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lamina import MLPClassifier, MLPRegressor, distributed, kv, nd
from lamina.compiler import compile
from lamina.distributed.communicator import TreeSum, nodes_of, rank_at_start
from lamina.errors import ShapeError, TraceError

rng = np.random.default_rng(0)
X = rng.normal(size=(230, 4)).astype(np.float32)
y = X[:, 0] + X[:, 1] ** 2
WEIGHTS = rng.uniform(0.5, 2, len(X))


def plain_tree(leaves):
    while len(leaves) > 1:
        pairs = range(0, len(leaves), 2)
        leaves = [leaves[i] + leaves[i + 1] if i + 1 < len(leaves) else leaves[i] for i in pairs]
    return leaves[0]


@given(shards=st.integers(1, 40), cuts=st.lists(st.integers(0, 40), max_size=6))
def test_the_sum_does_not_depend_on_where_the_shards_are_divided(shards, cuts):
    leaves = np.random.default_rng(shards).normal(size=(shards, 5)).astype(np.float32)
    bounds = [0, *sorted(min(cut, shards) for cut in cuts), shards]
    nodes, sums = [], []
    for begin, end in pairwise(bounds):
        own = [(0, i) for i in range(begin, end)]
        rows = np.full((TreeSum.depth(own, shards), 5), np.nan, np.float32)
        part = TreeSum(shards, rows)
        for node, leaf in zip(own, leaves[begin:end], strict=True):
            part.add(node, leaf)
        assert part.nodes == nodes_of(range(begin, end), shards)
        nodes += part.nodes
        sums += list(rows[: len(part.nodes)])
    received = np.array(sums)
    whole = TreeSum(shards, received)
    for node, row in zip(nodes, received, strict=True):
        whole.add(node, row)
    assert len(whole.nodes) == 1
    np.testing.assert_array_equal(received[0], plain_tree(list(leaves)))


@pytest.mark.few(1)
@pytest.mark.parametrize("shards", [1, 3, 8])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_cut_batch_has_the_gradient_of_the_whole_one(shards, solver):
    """But for rounding, where nothing looks at a shard by itself; with weights, and a last batch that is smaller."""
    plan = {"preset": "sklearn", "solver": solver, "alpha": 0.5, "batch_size": 50, "random_state": 1}
    models = [
        MLPRegressor(6, **plan, shards=count, callbacks=lambda _, epoch: epoch.number == 4)
        for count in (None, shards)
    ]
    whole, cut = (model.fit(X, y, sample_weight=WEIGHTS) for model in models)
    np.testing.assert_allclose(cut.loss_curve_, whole.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(cut.predict(X), whole.predict(X), rtol=1e-3, atol=1e-3)


def test_more_shards_than_rows_sparse_rows_and_more_fits():
    table = sparse.csr_matrix(np.where(np.abs(X) > 1, X, 0))
    model = MLPClassifier(4, preset="fast", members=1, shards=9, max_iter=2, batch_size=7, random_state=0)
    dense = MLPClassifier(**model.get_params()).fit(table.toarray(), y > 1)
    model.fit(table, y > 1)
    np.testing.assert_array_equal(model.coefs_[0], dense.coefs_[0])
    model.partial_fit(table, y > 1)
    assert model.n_iter_ == 3
    with pytest.raises(ValueError, match="shards must be a whole number >= 1, got 0"):
        MLPClassifier(shards=0).fit(X, y > 1)


def test_what_cannot_be_summed_says_so():
    with pytest.raises(
        ShapeError, match="process 0 of 1 needs an array for each of its 2 of 2 shards, got 1"
    ):
        distributed.sum([np.ones(2)], shards=2)
    with pytest.raises(
        ShapeError, match=r"need one shape, dtype and class .*; found float32 \(2,\), float64 \(2,\)"
    ):
        distributed.sum([np.ones(2), np.ones(2, np.float32)], shards=2)
    with pytest.raises(ShapeError, match="needs at least one shard, got shards=0"):
        distributed.sum([], shards=0)


@pytest.mark.compiles
def test_processes_do_not_meet_in_a_compiled_function():
    store = kv.create("dist_sync")
    store.init(0, nd.ones(2))
    with pytest.raises(TraceError, match="can't be summed inside a compiled function"):
        compile(lambda x: store.push(0, x))(nd.ones(2))


def test_who_was_started_by_mpi():
    assert rank_at_start({}) is None
    assert rank_at_start({"OMPI_COMM_WORLD_RANK": "3"}) == 3
    assert rank_at_start({"PMIX_RANK": "12"}) == 12
    assert rank_at_start({"PMI_RANK": "0"}) == 0
