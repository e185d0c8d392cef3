"""Dropout in Gluon: a layer that is active inside `autograd.record()` and passes its input on elsewhere.

python examples/dropout_gluon.py [--epochs 10] [--limit N]
"""

import argparse

import numpy as np

import lamina as mx
from lamina import autograd, gluon, nd

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
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

net = gluon.nn.HybridSequential()
with net.name_scope():
    net.add(gluon.nn.Dense(256, activation="relu"))
    net.add(gluon.nn.Dropout(0.5))
    net.add(gluon.nn.Dense(256, activation="relu"))
    net.add(gluon.nn.Dropout(0.5))
    net.add(gluon.nn.Dense(10))
net.initialize(mx.init.Xavier())

# The same input three times: in prediction the answers agree, in training mode each has another mask.
x = next(iter(train_data))[0]
print("prediction:", [round(net(x[0:1])[0, 0].asscalar().item(), 4) for _ in range(3)])
with autograd.train_mode():
    print("training:  ", [round(net(x[0:1])[0, 0].asscalar().item(), 4) for _ in range(3)])

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
