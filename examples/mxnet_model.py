"""Can a model that MXNet made still be used, and taught what has changed since?

python examples/mxnet_model.py

`examples/mxnet` holds what `Module.save_checkpoint` of MXNet 1.9.1 wrote: a network that reads digits of 8 × 8 pixels.
It predicts as it did there. It misreads most mirrored pictures, until it is trained on 300 of them.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import lamina as mx
from lamina import autograd, gluon, nd

mx.random.seed(0)
saved = Path(__file__).parent / "mxnet"
scores = mx.sym.load(f"{saved}/digits-symbol.json").get_internals()[
    "fc2_output"
]  # what goes into the softmax
net = gluon.SymbolBlock(scores, mx.sym.var("data"))
net.load_parameters(f"{saved}/digits-0020.params", ignore_extra=True)

pictures, labels = load_digits(return_X_y=True)
pictures = (pictures[1000:] / 16).astype(np.float32)  # the first thousand trained it
mirrored = pictures.reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64)
labels = labels[1000:]


def read(pictures):
    """The digit with the highest score."""
    return net(nd.array(pictures)).asnumpy().argmax(axis=1)


before = read(mirrored[300:])
print(f"as it came: {np.mean(read(pictures) == labels):.3f} of the pictures are right")
print(f"mirrored: {np.mean(before == labels[300:]):.3f}")

softmax_cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
data = gluon.data.DataLoader(
    gluon.data.ArrayDataset(mirrored[:300], labels[:300]), batch_size=50, shuffle=True
)
for _ in range(40):
    for x, y in data:
        with autograd.record():
            loss = softmax_cross_entropy(net(x), y)
        loss.backward()
        trainer.step(len(x))
after = read(mirrored[300:])
print(f"mirrored, after training: {np.mean(after == labels[300:]):.3f}")
net.export(
    "digits-taught"
)  # MXNet's two files again; lamina.export_onnx, export_library and others write the rest

figure, axes = plt.subplots(1, 9, figsize=(9, 1.6), layout="constrained")
for axis, picture, was, now in zip(axes, mirrored[300:], before, after, strict=False):
    axis.imshow(picture.reshape(8, 8), cmap="gray_r")
    axis.set_title(f"{was} → {now}")
    axis.axis("off")
figure.supxlabel("mirrored pictures: what the network reads before and after", fontsize=10)
figure.savefig("mxnet_model.png")
