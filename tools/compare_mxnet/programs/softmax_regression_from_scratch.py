"""Softmax regression from scratch: softmax, cross-entropy, accuracy and training by hand."""

import numpy

from mxnet import autograd, gluon, np, npx

npx.set_np()
draws = numpy.random.RandomState(2)
num_inputs, num_outputs = 12, 4
centers = draws.normal(size=(num_outputs, num_inputs)) * 2
numbers = draws.randint(0, num_outputs, 120)
X_all = np.array(centers[numbers] + draws.normal(size=(120, num_inputs)), dtype="float32").reshape(120, 3, 4)
y_all = np.array(numbers)

W = np.array(draws.normal(0, 0.01, (num_inputs, num_outputs)), dtype="float32")
b = np.zeros(num_outputs)
W.attach_grad()
b.attach_grad()


def softmax(X):
    X_exp = np.exp(X)
    partition = X_exp.sum(1, keepdims=True)
    return X_exp / partition


def net(X):
    return softmax(np.dot(X.reshape((-1, W.shape[0])), W) + b)


def cross_entropy(y_hat, y):
    return -np.log(y_hat[range(len(y_hat)), y])


def accuracy(y_hat, y):
    if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(axis=1)
    cmp = y_hat.astype(y.dtype) == y
    return float(cmp.astype(y.dtype).sum())


X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
probs = softmax(X)
seen = [X.sum(0, keepdims=True), X.sum(1, keepdims=True), probs, probs.sum(1)]
y_hat, y = np.array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]]), np.array([0, 2])
seen += [y_hat[[0, 1], y], cross_entropy(y_hat, y), accuracy(y_hat, y) / len(y)]
train_iter = gluon.data.DataLoader(gluon.data.ArrayDataset(X_all, y_all), 30)
history = []
for epoch in range(3):
    total, right = 0.0, 0.0
    for X, y in train_iter:
        with autograd.record():
            y_hat = net(X)
            l = cross_entropy(y_hat, y)
        l.backward()
        for param in (W, b):
            param[:] = param - 0.1 * param.grad / X.shape[0]
        total, right = total + float(l.sum()), right + accuracy(y_hat, y)
    history.append((total / len(y_all), right / len(y_all)))
results = [seen, history, W.sum(), b, net(X_all[:3]).argmax(axis=1)]
