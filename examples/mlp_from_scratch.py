"""A multilayer perceptron from scratch, as the book chapter has it: only the import differs from MXNet's program.

    python examples/mlp_from_scratch.py --epochs 10

Everything is written out: parameters, activation, softmax cross-entropy, stochastic gradient descent and accuracy.
"""

import argparse

import numpy as np

import lamina as mx
from lamina import autograd, nd

parser = argparse.ArgumentParser(description="The chapter's network on MNIST.")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

ctx = mx.gpu() if mx.num_gpus() > 0 else mx.cpu()
mx.random.seed(options.seed)
np.random.seed(options.seed)

# MNIST data

mnist = mx.test_utils.get_mnist()
num_inputs = 784
num_outputs = 10
batch_size = 64


def transform(data, label):
    return data.astype(np.float32) / 255, label.astype(np.float32)


train_data = mx.gluon.data.DataLoader(
    mx.gluon.data.vision.MNIST(train=True, transform=transform), batch_size, shuffle=True
)
test_data = mx.gluon.data.DataLoader(
    mx.gluon.data.vision.MNIST(train=False, transform=transform), batch_size, shuffle=False
)

# Parameters of two hidden layers and the output layer

num_hidden = 256
weight_scale = 0.01

W1 = nd.random_normal(shape=(num_inputs, num_hidden), scale=weight_scale, ctx=ctx)
b1 = nd.random_normal(shape=num_hidden, scale=weight_scale, ctx=ctx)
W2 = nd.random_normal(shape=(num_hidden, num_hidden), scale=weight_scale, ctx=ctx)
b2 = nd.random_normal(shape=num_hidden, scale=weight_scale, ctx=ctx)
W3 = nd.random_normal(shape=(num_hidden, num_outputs), scale=weight_scale, ctx=ctx)
b3 = nd.random_normal(shape=num_outputs, scale=weight_scale, ctx=ctx)

params = [W1, b1, W2, b2, W3, b3]

for param in params:
    param.attach_grad()

# Activation, softmax, and the loss that combines softmax with the logarithm


def relu(X):
    return nd.maximum(X, nd.zeros_like(X))


def softmax(y_linear):
    exp = nd.exp(y_linear - nd.max(y_linear))
    partition = nd.nansum(exp, axis=0, exclude=True).reshape((-1, 1))
    return exp / partition


def cross_entropy(yhat, y):
    return -nd.nansum(y * nd.log(yhat), axis=0, exclude=True)


def softmax_cross_entropy(yhat_linear, y):
    return -nd.nansum(y * nd.log_softmax(yhat_linear), axis=0, exclude=True)


# The model, without the softmax, which the loss applies


def net(X):
    h1_linear = nd.dot(X, W1) + b1
    h1 = relu(h1_linear)
    h2_linear = nd.dot(h1, W2) + b2
    h2 = relu(h2_linear)
    yhat_linear = nd.dot(h2, W3) + b3
    return yhat_linear


def SGD(params, lr):
    for param in params:
        param[:] = param - lr * param.grad


def evaluate_accuracy(data_iterator, net):
    numerator = 0.0
    denominator = 0.0
    for i, (data, label) in enumerate(data_iterator):
        data = data.as_in_context(ctx).reshape((-1, 784))
        label = label.as_in_context(ctx)
        output = net(data)
        predictions = nd.argmax(output, axis=1)
        numerator += nd.sum(predictions == label).asscalar()
        denominator += data.shape[0]
    return numerator / denominator


# The training loop

learning_rate = 0.001
smoothing_constant = 0.01
moving_loss = 0.0

for e in range(options.epochs):
    for i, (data, label) in enumerate(train_data):
        data = data.as_in_context(ctx).reshape((-1, 784))
        label = label.as_in_context(ctx)
        label_one_hot = nd.one_hot(label, 10)
        with autograd.record():
            output = net(data)
            loss = softmax_cross_entropy(output, label_one_hot)
        loss.backward()
        SGD(params, learning_rate)

        # Keep a moving average of the losses
        curr_loss = nd.mean(loss).asscalar()
        moving_loss = (
            curr_loss
            if ((i == 0) and (e == 0))
            else (1 - smoothing_constant) * moving_loss + smoothing_constant * curr_loss
        )

    test_accuracy = evaluate_accuracy(test_data, net)
    train_accuracy = evaluate_accuracy(train_data, net)
    print(f"Epoch {e}. Loss: {moving_loss}, Train_acc {train_accuracy}, Test_acc {test_accuracy}")
