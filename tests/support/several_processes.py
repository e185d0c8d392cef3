"""What processes that mpirun started do in the tests: run as a program, with the name of one of the `PROGRAMS`.

The first process prints what came out as JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np

import lamina
from lamina import MLPClassifier, MLPRegressor, autograd, distributed, gluon, nd
from lamina.errors import LaminaError
from lamina.gluon.utils import split_and_load

rng = np.random.default_rng(0)
X = rng.normal(size=(203, 3)).astype(np.float32)
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int)
NUMBERS = X[:, 0] + X[:, 1] ** 2


def digest(*arrays: np.ndarray) -> str:
    """By which the same bits are known."""
    content = b"".join(np.ascontiguousarray(x).tobytes() for x in arrays)
    return hashlib.sha256(content).hexdigest()[:16]


def _fitted(model: object) -> list[object]:
    network = model.fitted_.network.state()
    return [
        digest(*network.values()),
        model.n_iter_,
        model.best_epoch_,
        model.loss_curve_,
        model.validation_scores_,
    ]


def estimators() -> dict[str, object]:
    """Networks with all that could depend on the number of processes."""
    seen: list[int] = []
    # Members, dropout, weight decay, Adam, early stopping, calibration.
    classifier = MLPClassifier(
        8, preset="fast", shards=6, members=2, max_iter=6, batch_size=60, dropout=0.3, number_embedding=False,
        early_stopping=True, n_iter_no_change=2, random_state=None if distributed.rank() else 5,
        callbacks=lambda _, epoch: seen.append(epoch.number),
    ).fit(X, LABELS)  # fmt: skip
    # Batch normalization, shards of different sizes, an end that only the first process sees.
    regressor = MLPRegressor(
        4, preset="fast", number_embedding=False, shards=8, solver="sgd", alpha=0.1, max_iter=5, batch_size=64,
        normalization="batch", random_state=3, early_stopping=True, callbacks=lambda _, epoch: epoch.number == 3,
    ).fit(X, NUMBERS)  # fmt: skip
    assert seen == (list(range(1, classifier.n_iter_ + 1)) if distributed.rank() == 0 else [])
    running = regressor.fitted_.network.members[0].running
    return {
        "classifier": _fitted(classifier),
        "regressor": _fitted(regressor),
        "running": digest(*(x.asnumpy() for x in running.values())),
        "all alike": len(set(map(repr, distributed.gather([_fitted(classifier), _fitted(regressor)])))) == 1,
    }


def sums() -> dict[str, object]:
    """Sums of leaves against a tree written down plainly; and messages."""
    wrong = []
    for shards in (1, 2, 3, 5, 8, 13):
        for length in (1, 17, 1000):
            leaves = [
                np.random.default_rng(shards + i).normal(size=length).astype("f4") for i in range(shards)
            ]
            found = distributed.sum([leaves[i] for i in distributed.share(shards)], shards)
            wrong += [] if np.array_equal(found, tree(leaves)) else [(shards, length)]
    counted = distributed.sum(nd.ones((2, 2)) * (distributed.rank() + 1))
    return {
        "wrong": wrong,
        "counted": counted.asnumpy().tolist(),
        "gathered": distributed.gather(distributed.rank()),
        "first": distributed.broadcast(nd.array([distributed.rank() + 7])).asnumpy().tolist(),
        "size": distributed.size(),
    }


def tree(leaves: list[np.ndarray]) -> np.ndarray:
    while len(leaves) > 1:
        pairs = range(0, len(leaves), 2)
        leaves = [leaves[i] + leaves[i + 1] if i + 1 < len(leaves) else leaves[i] for i in pairs]
    return leaves[0]


def gluon_program() -> dict[str, object]:
    """A program in MXNet's names: each worker has its part of 12 devices, and loads its part of each batch."""
    workers = distributed.size()
    devices = [lamina.cpu(i) for i in range(12 // workers)]
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(5, activation="relu", in_units=3), gluon.nn.Dense(1, in_units=5))
    nd.random.seed(distributed.rank())  # which the first worker's parameters make up for
    net.initialize(ctx=devices)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05}, kvstore="dist_sync")
    loss, rows = gluon.loss.L2Loss(), 48
    with lamina.eager():
        for step in range(4):
            begin = step * rows + distributed.rank() * rows // workers
            mine = slice(begin, begin + rows // workers)
            parts = [split_and_load(nd.array(x[mine]), devices) for x in (X, NUMBERS)]
            with autograd.record():
                losses = [loss(net(x), y) for x, y in zip(*parts, strict=True)]
            autograd.backward(losses)
            trainer.step(rows)
    weights = [
        digest(*(p.data(device).asnumpy() for p in net.collect_params().values())) for device in devices
    ]
    return {"weights": sorted(set().union(*distributed.gather(set(weights))))}


def module_program() -> dict[str, object]:
    """A module whose workers have parts of each batch, beside one on whole batches in each process."""

    def trained(rows: slice, kvstore: str | None) -> list[np.ndarray]:
        x = lamina.symbol.FullyConnected(lamina.symbol.Variable("data"), num_hidden=5, name="fc1")
        x = lamina.symbol.FullyConnected(lamina.symbol.relu(x), num_hidden=2, name="fc2")
        module = lamina.mod.Module(lamina.symbol.SoftmaxOutput(x, name="softmax"))
        parts = [nd.array(values[rows]) for values in (X, LABELS)]
        module.bind([("data", parts[0].shape)], [("softmax_label", parts[1].shape)])
        nd.random.seed(0 if kvstore is None else distributed.rank())  # the first one counts
        module.init_params(lamina.init.Xavier())
        module.init_optimizer(kvstore, "sgd", {"learning_rate": 0.5, "momentum": 0.9})
        for _ in range(5):
            module.forward_backward(lamina.io.DataBatch(parts[:1], parts[1:]))
            module.update()
        return [x.asnumpy() for x in module.get_params()[0].values()]

    workers = distributed.size()
    mine = slice(distributed.rank() * 192 // workers, (distributed.rank() + 1) * 192 // workers)
    together, alone = trained(mine, "dist_sync"), trained(slice(192), None)
    near = all(np.allclose(x, y, rtol=1e-4, atol=1e-5) for x, y in zip(together, alone, strict=True))
    return {"near": near, "all alike": len(set(distributed.gather(digest(*together)))) == 1}


def different_tables() -> None:
    """Each process has rows of its own, which is a mistake."""
    rows = slice(distributed.rank(), None)
    MLPClassifier(4, preset="fast", shards=4, max_iter=1).fit(X[rows], LABELS[rows])


def raises() -> None:
    """One fails while the others wait for its gradients."""

    def stop(*_: object) -> None:
        raise LaminaError("the disk of this machine is full")

    if distributed.rank() == 1:
        from lamina.estimators import _sharded

        _sharded.FlatState.step = stop
    MLPClassifier(4, preset="fast", shards=4, max_iter=9, members=1).fit(X, LABELS)


def everything() -> dict[str, object]:
    return {"sums": sums(), "gluon": gluon_program(), "module": module_program(), **estimators()}


PROGRAMS = {f.__name__: f for f in (everything, different_tables, raises)}

if __name__ == "__main__":
    result = PROGRAMS[sys.argv[1]]()
    if distributed.rank() == 0:
        print(json.dumps(result))
