"""Matrix factorization of ratings, and a network of embeddings with a ranking loss."""

import numpy

from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()
draws = numpy.random.RandomState(6)


class MF(nn.Block):
    def __init__(self, num_factors, num_users, num_items, **kwargs):
        super().__init__(**kwargs)
        self.P = nn.Embedding(input_dim=num_users, output_dim=num_factors)
        self.Q = nn.Embedding(input_dim=num_items, output_dim=num_factors)
        self.user_bias = nn.Embedding(num_users, 1)
        self.item_bias = nn.Embedding(num_items, 1)

    def forward(self, user_id, item_id):
        P_u = self.P(user_id)
        Q_i = self.Q(item_id)
        b_u = self.user_bias(user_id)
        b_i = self.item_bias(item_id)
        outputs = (P_u * Q_i).sum(axis=1) + np.squeeze(b_u) + np.squeeze(b_i)
        return outputs.flatten()


class BPRLoss(gluon.loss.Loss):
    def __init__(self, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight=None, batch_axis=0, **kwargs)

    def forward(self, positive, negative):
        distances = positive - negative
        return -np.sum(np.log(npx.sigmoid(distances)), 0, keepdims=True)


class HingeLossbRec(gluon.loss.Loss):
    def __init__(self, weight=None, batch_axis=0, **kwargs):
        super().__init__(weight=None, batch_axis=0, **kwargs)

    def forward(self, positive, negative, margin=1):
        distances = positive - negative
        return np.sum(np.maximum(-distances + margin, 0))


users, items = draws.randint(0, 8, 50), draws.randint(0, 6, 50)
scores = (users % 3 + items % 2 + 1).astype("float32")
net = MF(4, 8, 6)
net.initialize(init.Constant(0.1))
start = np.array(draws.normal(0, 0.1, (8, 4)), dtype="float32")
net(np.array(users), np.array(items))
net.P.weight.set_data(start)
trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05, "wd": 1e-5})
loss = gluon.loss.L2Loss()
data = gluon.data.DataLoader(gluon.data.ArrayDataset(users, items, scores), 25)
history = []
for epoch in range(4):
    for u, i, r in data:
        with autograd.record():
            l = loss(net(u, i), r)
        l.backward()
        trainer.step(25)
    history.append(
        float(np.mean(np.sqrt(((net(np.array(users), np.array(items)) - np.array(scores)) ** 2).mean())))
    )
positive, negative = np.array([1.0, 2.0]), np.array([0.5, 2.5])
positive.attach_grad()
with autograd.record():
    ranking = BPRLoss()(positive, negative)
ranking.backward()
results = [history, net.P.weight.data(), ranking, positive.grad, HingeLossbRec()(positive, negative)]
results.append(net(np.array([1, 2], dtype="int32"), np.array([0, 5])))
