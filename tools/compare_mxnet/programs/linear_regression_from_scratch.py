"""Linear regression from scratch: data, model, loss and minibatch gradient descent by hand."""

import numpy

from mxnet import autograd, np, npx

npx.set_np()
draws = numpy.random.RandomState(0)


def synthetic_data(w, b, num_examples):
    """y = Xw + b + noise."""
    X = np.array(draws.normal(0, 1, (num_examples, len(w))), dtype="float32")
    y = np.dot(X, w) + b
    y += np.array(draws.normal(0, 0.01, y.shape), dtype="float32")
    return X, y.reshape((-1, 1))


def data_iter(batch_size, features, labels):
    indices = list(range(len(features)))
    draws.shuffle(indices)
    for i in range(0, len(features), batch_size):
        batch = np.array(indices[i : min(i + batch_size, len(features))])
        yield features[batch], labels[batch]


def linreg(X, w, b):
    return np.dot(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    for param in params:
        param[:] = param - lr * param.grad / batch_size


true_w, true_b = np.array([2, -3.4]), 4.2
features, labels = synthetic_data(true_w, true_b, 200)
w, b = np.array([[0.01], [-0.02]]), np.zeros(1)
w.attach_grad()
b.attach_grad()
losses = []
for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        with autograd.record():
            l = squared_loss(linreg(X, w, b), y)
        l.backward()
        sgd([w, b], 0.03, 10)
    train_l = squared_loss(linreg(features, w, b), labels)
    losses.append(float(train_l.mean()))
results = [losses, w, b, true_w - w.reshape(true_w.shape), true_b - b]
