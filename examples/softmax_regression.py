"""Softmax regression: MNIST's digits with a single dense layer.

python examples/softmax_regression.py [--epochs 5] [--limit N]
"""

import argparse

import numpy as np

import lamina as mx
from lamina import autograd, gluon, nd

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--limit", type=int, default=None, help="use only the first LIMIT digits")
args = parser.parse_args()

batch_size = 64


def transform(data, label):
    return data.astype(np.float32) / 255, label.astype(np.float32)


def load(train):
    digits: gluon.data.Dataset = gluon.data.vision.MNIST(train=train, transform=transform)
    if args.limit is not None:
        digits = digits.take(args.limit)
    return gluon.data.DataLoader(digits, batch_size, shuffle=train)


train_data, test_data = load(train=True), load(train=False)

# One layer with ten outputs: one linear score for each digit. The loss takes the softmax of the scores.
net = gluon.nn.Dense(10)
net.initialize(mx.init.Normal(sigma=0.01))
softmax_cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})


def evaluate_accuracy(data_iterator):
    accuracy = mx.metric.Accuracy()
    for data, label in data_iterator:
        accuracy.update(preds=nd.argmax(net(data), axis=1), labels=label)
    return accuracy.get()[1]


for epoch in range(args.epochs):
    for data, label in train_data:
        with autograd.record():
            loss = softmax_cross_entropy(net(data), label)
        loss.backward()
        trainer.step(data.shape[0])
    print(
        f"Epoch {epoch}. Loss of the last batch: {nd.mean(loss).asscalar():.4f}, "
        f"Train_acc {evaluate_accuracy(train_data):.4f}, Test_acc {evaluate_accuracy(test_data):.4f}"
    )
