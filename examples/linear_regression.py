"""Linear regression: recover the weights that made the data.

python examples/linear_regression.py [--epochs 3] [--limit N]
"""

import argparse

import lamina as mx
from lamina import autograd, gluon, nd

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--limit", type=int, default=10_000, help="the number of samples")
args = parser.parse_args()

mx.random.seed(1)
true_weight, true_bias = nd.array([2, -3.4]), 4.2
X = nd.random_normal(shape=(args.limit, 2))
noise = 0.1 * nd.random_normal(shape=(args.limit,))
y = nd.dot(X, true_weight) + true_bias + noise

train_data = gluon.data.DataLoader(gluon.data.ArrayDataset(X, y), batch_size=10, shuffle=True)

net = gluon.nn.Dense(1)
net.initialize(mx.init.Normal(sigma=1))
square_loss = gluon.loss.L2Loss()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.03})

for epoch in range(args.epochs):
    total = 0.0
    for data, label in train_data:
        with autograd.record():
            loss = square_loss(net(data), label)
        loss.backward()
        trainer.step(data.shape[0])
        total += nd.sum(loss).asscalar()
    print(f"Epoch {epoch}. Loss: {total / args.limit:.4f}")

print("weight:", net.weight.data().asnumpy().ravel(), "made with", true_weight.asnumpy())
print("bias:  ", net.params.get("bias").data().asscalar(), "made with", true_bias)
