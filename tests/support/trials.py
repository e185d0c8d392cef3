"""Trials as a search makes them, of networks that were trained otherwise."""

import dataclasses

import numpy as np
from tables import classifier

from lamina.estimators.search.trial import Trial


def trial(number=0, **changed):
    network = classifier().fitted_.network
    made = Trial(
        number=number,
        settings={
            "preset": "realmlp",
            "hidden_layer_sizes": (12, 8),
            "dropout": 0.1,
            "rows": 100,
            "ntk": True,
        },
        score=-0.5,
        seconds=1.25,
        ended=2.5 + number,
        epochs=9,
        best_epoch=7,
        complete=True,
        losses=[0.7, 0.6],
        scores=[-0.6, -0.5],
        factor=1.5,
        outputs=np.arange(6, dtype=np.float32).reshape(2, 3),
        architecture=network.architecture,
        members=len(network.members),
        state=network.state(),
    )
    return dataclasses.replace(made, **changed)


FAILURE = {
    "score": -np.inf,
    "best_epoch": 0,
    "outputs": np.empty((0, 3), np.float32),
    "state": {},
    "losses": [],
}
