"""How do other programs ask my model? Over HTTP, in the protocol of KServe and Triton.

python examples/model_behind_kserve.py

`lamina serve` speaks the Open Inference Protocol, version 2. This program sends plain JSON, as any language can;
clients of KServe and Triton work too (docs/how-to/open-inference.md). The picture shows the server's answers.
"""

import json
import re
import subprocess
import sys
from urllib.request import Request, urlopen

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

import lamina

rng = np.random.default_rng(0)
area, town = rng.uniform(20, 150, 900), rng.choice(["Bergen", "Cádiz", "Graz"], 900)
base = pl.Series(town).replace_strict({"Bergen": 500.0, "Cádiz": 150.0, "Graz": 300.0}).to_numpy()
rent = base + 11 * area**0.92 + rng.normal(0, 60, 900) * area / 80
flats = pl.DataFrame({"area": area, "town": town})
model = lamina.MLPRegressor(preset="fast", loss="quantile", quantile=[0.1, 0.5, 0.9], random_state=0)
lamina.save(model.fit(flats, rent), "flats.safetensors")


def ask(address, body=None):
    """The server's answer."""
    data = json.dumps(body).encode() if body else None
    with urlopen(Request(address, data, {"Content-Type": "application/json"}), timeout=60) as response:
        return json.load(response)


def tensor(name, kind, values):
    """A column in the protocol's form."""
    return {"name": name, "datatype": kind, "shape": [len(values)], "data": list(values)}


areas = np.linspace(25, 145, 40)
figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
command = [sys.executable, "-m", "lamina", "serve", "flats.safetensors", "--port", "0"]
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
    try:
        assert server.stdout is not None
        address = re.findall(r"http://[\d.:]+", server.stdout.readline())[0]
        described = ask(f"{address}/v2/models/flats")
        print(", ".join(f"{one['name']}: {one['datatype']}" for one in described["inputs"]))
        for place in ["Bergen", "Graz", "Cádiz"]:
            columns = [tensor("area", "FP64", areas), tensor("town", "BYTES", [place] * len(areas))]
            (answer,) = ask(f"{address}/v2/models/flats/infer", {"inputs": columns})["outputs"]
            low, middle, high = np.reshape(answer["data"], answer["shape"]).T
            print(f"70 m² in {place}: about {np.interp(70, areas, middle):.0f}")
            axis.fill_between(areas, low, high, alpha=0.2)
            axis.plot(areas, middle, label=place)
    finally:
        server.terminate()
axis.set(xlabel="area (m²)", ylabel="rent: median, and 10 % to 90 %")
axis.legend(frameon=False)
figure.savefig("model_behind_kserve.png")
