"""House prices: standardized numbers, indicators of kinds, k-fold cross-validation, error of the logarithms."""

import numpy

from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()
draws = numpy.random.RandomState(4)
area, kind = draws.uniform(50, 200, 60), draws.randint(0, 3, 60)
prices = 1000 * area + 20000 * kind + draws.normal(0, 2000, 60)
features = np.concatenate(
    [
        np.array((area - area.mean()) / area.std(), dtype=np.float32).reshape(-1, 1),
        npx.one_hot(np.array(kind), 3),
    ],
    axis=1,
)
labels = np.array(prices / 1e5, dtype=np.float32).reshape(-1, 1)
loss = gluon.loss.L2Loss()


def get_net():
    net = nn.Sequential()
    net.add(nn.Dense(1))
    net.initialize(init.Constant(0.1))
    return net


def log_rmse(net, features, labels):
    clipped_preds = np.clip(net(features), 1, float("inf"))
    return np.sqrt(2 * loss(np.log(clipped_preds), np.log(labels)).mean())


def train(
    net, train_features, train_labels, test_features, test_labels, num_epochs, learning_rate, weight_decay
):
    train_ls, test_ls = [], []
    train_iter = gluon.data.DataLoader(gluon.data.ArrayDataset(train_features, train_labels), 16)
    trainer = gluon.Trainer(
        net.collect_params(), "adam", {"learning_rate": learning_rate, "wd": weight_decay}
    )
    for _ in range(num_epochs):
        for X, y in train_iter:
            with autograd.record():
                l = loss(net(X), y)
            l.backward()
            trainer.step(16)
        train_ls.append(log_rmse(net, train_features, train_labels))
        test_ls.append(log_rmse(net, test_features, test_labels))
    return train_ls, test_ls


def get_k_fold_data(k, i, X, y):
    fold_size = X.shape[0] // k
    X_train, y_train = None, None
    for j in range(k):
        idx = slice(j * fold_size, (j + 1) * fold_size)
        X_part, y_part = X[idx, :], y[idx]
        if j == i:
            X_valid, y_valid = X_part, y_part
        elif X_train is None:
            X_train, y_train = X_part, y_part
        else:
            X_train, y_train = np.concatenate([X_train, X_part], 0), np.concatenate([y_train, y_part], 0)
    return X_train, y_train, X_valid, y_valid


folds = []
for i in range(3):
    net = get_net()
    train_ls, valid_ls = train(net, *get_k_fold_data(3, i, features, labels), 4, 0.1, 0.001)
    folds.append(([f"{float(l):.3f}" for l in train_ls + valid_ls], net[0].weight.data()))
preds = net(features)
results = [folds, [f"{float(p):.3f}" for p in preds[:5]]]
