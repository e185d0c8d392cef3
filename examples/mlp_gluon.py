"""Multilayer perceptrons in Gluon: the network of `mlp_from_scratch.py`, written with layers.

python examples/mlp_gluon.py [--epochs 10] [--limit N]
"""

import argparse

import numpy as np

import lamina as mx
from lamina import autograd, gluon, nd

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--limit", type=int, default=None, help="use only the first LIMIT digits")
args = parser.parse_args()

ctx = mx.cpu()
batch_size = 64
num_hidden = 256
num_outputs = 10


def transform(data, label):
    return data.astype(np.float32) / 255, label.astype(np.float32)


def load(train):
    digits: gluon.data.Dataset = gluon.data.vision.MNIST(train=train, transform=transform)
    if args.limit is not None:
        digits = digits.take(args.limit)
    return gluon.data.DataLoader(digits, batch_size, shuffle=train)


train_data, test_data = load(train=True), load(train=False)

# The model. Dense layers flatten their input, and learn the size of it from the first batch.
net = gluon.nn.HybridSequential()
with net.name_scope():
    net.add(gluon.nn.Dense(num_hidden, activation="relu"))
    net.add(gluon.nn.Dense(num_hidden, activation="relu"))
    net.add(gluon.nn.Dense(num_outputs))

net.collect_params().initialize(mx.init.Normal(sigma=0.1), ctx=ctx)
net.hybridize()  # as in MXNet; lamina compiles a loop that repeats with or without it
softmax_cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})


def evaluate_accuracy(data_iterator, net):
    accuracy = mx.metric.Accuracy()
    for data, label in data_iterator:
        output = net(data.as_in_context(ctx))
        accuracy.update(preds=nd.argmax(output, axis=1), labels=label.as_in_context(ctx))
    return accuracy.get()[1]


for epoch in range(args.epochs):
    cumulative_loss, samples = 0.0, 0
    for data, label in train_data:
        data, label = data.as_in_context(ctx), label.as_in_context(ctx)
        with autograd.record():
            loss = softmax_cross_entropy(net(data), label)
        loss.backward()
        trainer.step(data.shape[0])
        cumulative_loss += nd.sum(loss).asscalar()
        samples += data.shape[0]
    print(
        f"Epoch {epoch}. Loss: {cumulative_loss / samples:.4f}, "
        f"Train_acc {evaluate_accuracy(train_data, net):.4f}, Test_acc {evaluate_accuracy(test_data, net):.4f}"
    )

net.summary(data)
