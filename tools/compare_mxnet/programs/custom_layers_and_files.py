"""Blocks, parameters, initializers and files of one's own."""

import os
import tempfile

from mxnet import gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()
seen = []


class MLP(nn.Block):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = nn.Dense(8, activation="relu")
        self.out = nn.Dense(3)

    def forward(self, X):
        return self.out(self.hidden(X))


class MySequential(nn.Block):
    def add(self, block):
        self._children[block.name] = block

    def forward(self, X):
        for block in self._children.values():
            X = block(X)
        return X


class FixedHiddenMLP(nn.Block):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rand_weight = self.params.get_constant("rand_weight", np.ones((6, 6)) / 3)
        self.dense = nn.Dense(6, activation="relu")

    def forward(self, X):
        X = self.dense(X)
        X = npx.relu(np.dot(X, self.rand_weight.data()) + 1)
        X = self.dense(X)
        while np.abs(X).sum() > 1:
            X /= 2
        return X.sum()


class CenteredLayer(nn.Block):
    def forward(self, X):
        return X - X.mean()


class MyDense(nn.Block):
    def __init__(self, units, in_units, **kwargs):
        super().__init__(**kwargs)
        self.weight = self.params.get("weight", shape=(in_units, units))
        self.bias = self.params.get("bias", shape=(units,), init="zeros")

    def forward(self, x):
        linear = np.dot(x, self.weight.data(ctx=x.ctx)) + self.bias.data(ctx=x.ctx)
        return npx.relu(linear)


class MyInit(init.Initializer):
    def _init_weight(self, name, data):
        data[:] = np.arange(data.size).reshape(data.shape) - 4
        data *= np.abs(data) >= 2


class HybridNet(nn.HybridBlock):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.output = nn.Dense(4), nn.Dense(2)

    def hybrid_forward(self, F, x):
        x = F.npx.relu(self.hidden(x))
        return self.output(x) - F.np.ones((2,)).mean()


X = np.arange(12).reshape(2, 6) / 10
for net in (MLP(), FixedHiddenMLP(), HybridNet()):
    net.initialize(init.Constant(0.1))
    seen.append(net(X))
    net.hybridize()
    seen.append(net(X))
net = MySequential()
net.add(nn.Dense(4, activation="relu"))
net.add(CenteredLayer())
net.initialize(init.Constant(0.2))
seen += [net(X), net(X).mean().round()]
dense = MyDense(units=3, in_units=5)
dense.initialize(MyInit(), force_reinit=True)
seen += [dense.weight.data(), dense(np.ones((2, 5))), dense.bias.data()]
dense.weight.data()[:] += 1
dense.weight.data()[0, 0] = 42
seen.append(dense.weight.data()[0])
shared = nn.Dense(8, activation="relu")
net = nn.Sequential()
net.add(
    nn.Dense(8, activation="relu"), shared, nn.Dense(8, activation="relu", params=shared.params), nn.Dense(2)
)
net.initialize(init.One())
net(X)
seen += [net[1].weight.data()[0] == net[2].weight.data()[0], sorted(net.collect_params())[0].split("_")[-1]]
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "file")
    x, y = np.arange(4), np.zeros(4)
    npx.save(path, x)
    seen.append(npx.load(path))
    npx.save(path, [x, y, np.array(2.5)])
    seen.append(npx.load(path))
    npx.save(path, {"x": x, "y": y})
    seen.append(npx.load(path))
    net = MLP()
    net.initialize(init.Uniform(0.5))
    Y = net(X)
    net.save_parameters(path)
    clone = MLP()
    clone.load_parameters(path)
    seen.append((clone(X) == Y).all())
parts = gluon.utils.split_and_load(np.arange(6).reshape(3, 2), [npx.cpu()])
results = [seen, parts]
