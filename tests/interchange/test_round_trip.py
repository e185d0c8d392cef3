"""What lamina writes as ONNX, it reads: the same predictions, and the training goes on."""

import warnings

import numpy as np
import pytest

import lamina
from lamina import autograd, gluon, nd
from lamina.gluon import nn

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


def test_a_gluon_network_comes_back(tmp_path):
    net = nn.HybridSequential()
    net.add(
        nn.Dense(5, activation="relu", in_units=4), nn.BatchNorm(in_channels=5), nn.Dropout(0.3),
        nn.Dense(4, activation="gelu", in_units=5), nn.LayerNorm(in_channels=4), nn.PReLU(), nn.Dense(3, in_units=4),
    )  # fmt: skip
    net.initialize("xavier")
    x = nd.array(X)
    with autograd.record():
        net(x)
    lamina.export_onnx(net, tmp_path / "net.onnx")
    back = lamina.import_onnx(tmp_path / "net.onnx")
    np.testing.assert_allclose(back(x).asnumpy(), net(x).asnumpy(), rtol=1e-6, atol=1e-6)
    trainer = gluon.Trainer(back.collect_params(), "adam", {"learning_rate": 0.02})
    losses = []
    for _ in range(20):
        with autograd.record():
            loss = ((back(x) - x[:, :3]) ** 2).mean()
        loss.backward()
        trainer.step(1)
        losses.append(loss.asscalar())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.few(1)
@pytest.mark.parametrize("settings", [
    {"preset": "fast"}, {"preset": "sklearn", "hidden_layer_sizes": (8,)}, {"preset": "fast", "normalization": "batch"},
])  # fmt: skip
def test_an_estimator_comes_back(settings, tmp_path):
    rows = X.copy()
    rows[3, 2] = np.nan
    model = lamina.MLPClassifier(max_iter=2, random_state=0, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows, np.where(X[:, 0] > 0, "yes", "no"))
    lamina.export_onnx(model, tmp_path / "model.onnx")
    net = lamina.import_onnx(tmp_path / "model.onnx")
    labels, probabilities = net.predict(rows).values()
    np.testing.assert_allclose(probabilities, model.predict_proba(rows), atol=1e-5)
    assert (labels == model.predict(rows)).mean() > 0.98
