"""Dropout from scratch and with Gluon: what is kept is scaled, and prediction leaves all as it is."""

from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()


def dropout_layer(X, dropout):
    assert 0 <= dropout <= 1
    if dropout == 1:
        return np.zeros_like(X)
    if dropout == 0:
        return X
    mask = np.random.uniform(0, 1, X.shape) > dropout
    return mask.astype(np.float32) * X / (1.0 - dropout)


X = np.arange(1, 1001).reshape(2, 500)
half = dropout_layer(X, 0.5)
kept = half != 0
net = nn.Sequential()
net.add(nn.Dense(8, activation="relu"), nn.Dropout(0.5), nn.Dense(2))
net.initialize(init.Constant(0.1))
with autograd.record():
    dropped = npx.dropout(np.ones((100, 100)), 0.3)
share = float((dropped == 0).mean())
results = [
    dropout_layer(X, 0), dropout_layer(X, 1).sum(), (half[kept] == 2 * X[kept]).all(), 0.4 < float(kept.mean()) < 0.6,
    kept.dtype == bool, 0.25 < share < 0.35, np.unique(dropped), net(X[:, :3]), npx.dropout(X[:, :3], 0.5),
]  # fmt: skip
loss = gluon.loss.L1Loss()(net(X[:, :3]), np.zeros((2, 2)))
results += [loss, loss.shape]
