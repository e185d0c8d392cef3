"""Dropout from scratch: the chapter's network, with a function that sets hidden activations to 0 while training.

python examples/dropout_from_scratch.py [--epochs 10] [--limit N]
"""

import argparse

import numpy as np

from lamina import autograd, gluon, nd

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--limit", type=int, default=None, help="use only the first LIMIT digits")
args = parser.parse_args()

batch_size = 64
num_inputs, num_hidden, num_outputs = 784, 256, 10
weight_scale = 0.01


def transform(data, label):
    return data.astype(np.float32) / 255, label.astype(np.float32)


def load(train):
    digits: gluon.data.Dataset = gluon.data.vision.MNIST(train=train, transform=transform)
    if args.limit is not None:
        digits = digits.take(args.limit)
    return gluon.data.DataLoader(digits, batch_size, shuffle=train)


train_data, test_data = load(train=True), load(train=False)

W1 = nd.random_normal(shape=(num_inputs, num_hidden), scale=weight_scale)
b1 = nd.random_normal(shape=num_hidden, scale=weight_scale)
W2 = nd.random_normal(shape=(num_hidden, num_hidden), scale=weight_scale)
b2 = nd.random_normal(shape=num_hidden, scale=weight_scale)
W3 = nd.random_normal(shape=(num_hidden, num_outputs), scale=weight_scale)
b3 = nd.random_normal(shape=num_outputs, scale=weight_scale)
params = [W1, b1, W2, b2, W3, b3]
for param in params:
    param.attach_grad()


def dropout(X, drop_probability):
    """Drop each element with this probability; scale up the others, so that the expected value stays."""
    keep_probability = 1 - drop_probability
    mask = nd.random_uniform(0, 1.0, X.shape, ctx=X.context) < keep_probability
    scale = 1 / keep_probability if keep_probability > 0 else 0.0
    return mask * X * scale


A = nd.arange(20).reshape((5, 4))
print("nothing dropped:", dropout(A, 0.0).asnumpy().ravel())
print("half dropped:   ", dropout(A, 0.5).asnumpy().ravel())


def net(X, drop_prob=0.0):
    h1 = dropout(nd.relu(nd.dot(X, W1) + b1), drop_prob)
    h2 = dropout(nd.relu(nd.dot(h1, W2) + b2), drop_prob)
    return nd.dot(h2, W3) + b3


def softmax_cross_entropy(yhat_linear, y):
    return -nd.nansum(y * nd.log_softmax(yhat_linear), axis=0, exclude=True)


def SGD(params, lr):
    for param in params:
        param[:] = param - lr * param.grad


def evaluate_accuracy(data_iterator):
    numerator, denominator = 0.0, 0.0
    for data, label in data_iterator:
        output = net(data.reshape((-1, 784)))  # nothing is dropped in prediction
        numerator += nd.sum(nd.argmax(output, axis=1) == label).asscalar()
        denominator += data.shape[0]
    return numerator / denominator


moving_loss = None
for epoch in range(args.epochs):
    for data, label in train_data:
        label_one_hot = nd.one_hot(label, 10)
        with autograd.record():
            output = net(data.reshape((-1, 784)), drop_prob=0.5)
            loss = softmax_cross_entropy(output, label_one_hot)
        loss.backward()
        SGD(params, lr=0.001)
        current = nd.mean(loss).asscalar()
        moving_loss = current if moving_loss is None else 0.99 * moving_loss + 0.01 * current
    print(
        f"Epoch {epoch}. Loss: {moving_loss:.4f}, "
        f"Train_acc {evaluate_accuracy(train_data):.4f}, Test_acc {evaluate_accuracy(test_data):.4f}"
    )
