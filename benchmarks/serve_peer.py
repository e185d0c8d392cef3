"""What `serve.py` compares with: the plainest server of an ONNX file that FastAPI's documentation would lead to.

python benchmarks/serve_peer.py digits.onnx 8461
"""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])


class Body(BaseModel):
    """Pictures of 784 pixels each."""

    rows: list[list[int]]


@app.get("/healthz")
def health() -> dict[str, str]:
    """Whether it lives."""
    return {"status": "alive"}


@app.post("/predict")
def predict(body: Body) -> dict[str, object]:
    """A label and the probabilities of each picture."""
    [probabilities] = session.run(None, {"pixels": np.array(body.rows, np.uint8)})
    return {
        "predictions": [
            {
                "label": int(row.argmax()),
                "probabilities": {str(digit): float(share) for digit, share in enumerate(row)},
            }
            for row in probabilities
        ]
    }


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False)
