"""How do I write a layer of my own? One without parameters, and one whose size comes from its input.

python examples/custom_layer.py [--epochs 3] [--limit N]

The picture has the loss of two networks: one with 64 Maxout units, one with 64 ReLU units, which have half the weights.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np

import lamina as mx
from lamina import autograd, gluon, nd

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--limit", type=int, default=None, help="use only the first LIMIT digits")
args = parser.parse_args()


class CenteredLayer(gluon.HybridBlock):
    """Takes the mean away. Without parameters, the forward computation is all there is to say."""

    def hybrid_forward(self, F, x):
        return x - F.mean(x)


print("centered:", CenteredLayer()(nd.array([1, 2, 3, 4, 5])).asnumpy())


class Maxout(gluon.HybridBlock):
    """The largest of `pieces` linear functions (Goodfellow et al., 2013)."""

    def __init__(self, units, pieces=2, **kwargs):
        super().__init__(**kwargs)
        self.units, self.pieces = units, pieces
        with self.name_scope():
            # 0 stands for "not known yet".
            self.weight = self.params.get("weight", shape=(units * pieces, 0), allow_deferred_init=True)
            self.bias = self.params.get("bias", shape=(units * pieces,), init="zeros")

    def infer_shape(self, x):
        """Called with the first input, before the parameters are made."""
        self.weight.shape = (self.units * self.pieces, x.size // x.shape[0])

    def hybrid_forward(self, F, x, weight, bias):
        linear = F.FullyConnected(x, weight, bias, num_hidden=self.units * self.pieces)
        return F.max(linear.reshape((-1, self.units, self.pieces)), axis=2)


digits = gluon.data.vision.MNIST(train=True).transform_first(lambda data: data.astype(np.float32) / 255)
if args.limit is not None:
    digits = digits.take(args.limit)
train_data = gluon.data.DataLoader(digits, batch_size=64, shuffle=True)
softmax_cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()

figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
for first in (gluon.nn.Dense(64, activation="relu"), Maxout(64)):
    name = type(first).__name__
    net = gluon.nn.HybridSequential()
    net.add(first, CenteredLayer(), gluon.nn.Dense(10))
    net.initialize(mx.init.Xavier())
    print(first.weight)
    trainer = gluon.Trainer(net.collect_params(), "adam")
    losses: list[float] = []
    for epoch in range(args.epochs):
        for data, label in train_data:
            with autograd.record():
                loss = softmax_cross_entropy(net(data), label)
            loss.backward()
            trainer.step(data.shape[0])
            losses.append(nd.mean(loss).asscalar())
        print(f"{name}, epoch {epoch}. Loss: {np.mean(losses[-len(train_data) :]):.4f}")
    print(first.weight)
    hundred = min(len(losses), 100)  # steps, whose mean is shown
    axis.plot(np.convolve(losses, np.ones(hundred) / hundred, "valid"), label=name)
axis.set(xlabel="step", ylabel="loss", yscale="log")
axis.legend(frameon=False)
axis.grid(alpha=0.3, which="both")
figure.savefig("custom_layer.png")
