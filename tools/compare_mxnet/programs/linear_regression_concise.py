"""Linear regression with Gluon's data loader, layer, loss and trainer."""

import numpy

from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import loss as gluon_loss
from mxnet.gluon import nn

npx.set_np()
draws = numpy.random.RandomState(1)
features = np.array(draws.normal(size=(200, 2)), dtype="float32")
labels = np.dot(features, np.array([2, -3.4])) + 4.2


def load_array(data_arrays, batch_size, is_train=True):
    dataset = gluon.data.ArrayDataset(*data_arrays)
    return gluon.data.DataLoader(dataset, batch_size, shuffle=is_train)


data_iter = load_array((features, labels), 20, is_train=False)
first = next(iter(data_iter))
net = nn.Sequential()
net.add(nn.Dense(1))
net.initialize(init.Constant(0.01))
loss = gluon_loss.L2Loss()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.3})
for epoch in range(5):
    for X, y in data_iter:
        with autograd.record():
            l = loss(net(X), y)
        l.backward()
        trainer.step(20)
w, b = net[0].weight.data(), net[0].bias.data()
results = [first[0].shape, first[1], loss(net(features), labels).mean(), w, b, net[0].weight.grad().shape]
results += [np.array([2, -3.4]) - w.reshape(2), 4.2 - b, type(w).__name__, type(l).__name__]
