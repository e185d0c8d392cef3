"""How long ONNX Runtime takes for one row of what lamina exports, beside the bare network as PyTorch exports it.

    python benchmarks/onnx_row.py                    # about a minute, the first time some more for the environment

Networks of the same sizes: as a Gluon block; as a run on digits, whose file takes bytes and gives label and
probabilities; as an estimator on a table of numbers and texts, whose file takes columns and scales, encodes and embeds
them, beside a file that only takes these columns and puts them together. The sessions take turns, one thread each; each
is called some hundred times in a turn. Printed are the median processor times of a call, and the median over the turns
of their ratios to the bare network of PyTorch.
"""

from __future__ import annotations

import argparse
import io
import itertools
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environment
import numpy as np

LAYERS = (784, 256, 256, 10)
Call = Callable[[], object]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--calls", type=int, default=300, help="in a turn")
    arguments = parser.parse_args()
    environment.enter("torch", "onnx", "onnxruntime", "onnxscript", "scikit-learn", "polars", "narwhals")
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        groups = {"digits, 784-256-256-10": digits(), **tables(Path(folder))}
    for title, calls in groups.items():
        print(f"\n{title}")
        report(calls, arguments.turns, arguments.calls)


def report(calls: dict[str, Call], turns: int, count: int) -> None:
    """The median time of each call, and of its ratio to that of the first."""
    times = np.array([[_seconds(call, count) for call in calls.values()] for _ in range(turns)])
    ratios = np.median(times / times[:, :1], axis=0)
    for name, median, ratio in zip(calls, np.median(times, axis=0), ratios, strict=True):
        print(f"{name:<40} {1e6 * median:8.1f} µs   {ratio:5.2f}")


def _seconds(call: Call, count: int) -> float:
    begin = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - begin) / count


def call_of(model: bytes | str, feeds: dict[str, np.ndarray]) -> Call:
    """A call of a session with one thread, as a program makes it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feeds)


def of_pytorch(layers: tuple[int, ...], members: int = 1, activation: str = "ReLU") -> Call:
    """The bare network of PyTorch: dense layers and an activation; of several members, the mean of their outputs."""
    import torch

    def network() -> Any:
        parts: list[Any] = []
        for inputs, outputs in itertools.pairwise(layers):
            parts += [torch.nn.Linear(inputs, outputs), getattr(torch.nn, activation)()]
        return torch.nn.Sequential(*parts[:-1])

    class Mean(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.members = torch.nn.ModuleList([network() for _ in range(members)])

        def forward(self, x: Any) -> Any:
            return sum(member(x) for member in self.members) / members if members > 1 else self.members[0](x)

    file = io.BytesIO()
    row = torch.zeros(1, layers[0])
    torch.onnx.export(
        Mean().eval(), (row,), file, input_names=["x"], dynamo=False, dynamic_axes={"x": {0: "rows"}}
    )
    return call_of(file.getvalue(), {"x": np.zeros((1, layers[0]), np.float32)})


def of_gluon(layers: tuple[int, ...], folder: Path) -> Call:
    """The same network of lamina."""
    import lamina
    from lamina.gluon import nn

    net = nn.HybridSequential()
    for inputs, outputs in itertools.pairwise(layers):
        net.add(nn.Dense(outputs, "relu" if outputs != layers[-1] else None, in_units=inputs))
    net.initialize()
    lamina.export_onnx(net, folder / "gluon.onnx")
    return call_of(str(folder / "gluon.onnx"), {"x": np.zeros((1, layers[0]), np.float32)})


def digits() -> dict[str, Call]:
    """A network for digits, bare and as a whole prediction."""
    from lamina.export import Classes, Prediction, Table
    from lamina.export._onnx_model import onnx_model
    from lamina.runs.recipes import ChapterNetwork
    from lamina.table.encode import TableEncoder
    from lamina.table.schema import Schema
    from lamina.table.types.pixel import pixel_columns

    drawing = Table((), 784, False, TableEncoder(Schema(pixel_columns(), 0, False)))
    whole = Prediction(drawing, ChapterNetwork(LAYERS), Classes(np.arange(10)), "0")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 784)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        bare = of_gluon(LAYERS, Path(folder))
    return {
        "PyTorch, the bare network": of_pytorch(LAYERS),
        "lamina, the bare network (Gluon)": bare,
        "lamina, the whole prediction of a run": call_of(
            onnx_model(whole).SerializeToString(), {"X": pixels}
        ),
    }


def tables(folder: Path) -> dict[str, dict[str, Call]]:
    """Estimators on 8 numbers and 6 texts, each beside the bare networks of its members."""
    import polars as pl

    import lamina

    rng = np.random.default_rng(0)
    rows = 6000
    frame = pl.DataFrame(
        {f"number {i}": rng.normal(size=rows) for i in range(8)}
        | {f"text {i}": rng.choice([f"value {j}" for j in range(3 + 5 * i)], rows) for i in range(6)}
    )
    target = np.where(frame["number 0"].to_numpy() + rng.normal(size=rows) > 0, "yes", "no")
    feeds: dict[str, np.ndarray] = {
        name: np.array([[frame[name][0]]], object if frame[name].dtype == pl.String else np.float64)
        for name in frame.columns
    }
    groups: dict[str, dict[str, Call]] = {}
    for preset in ("fast", "realmlp"):
        model: Any = lamina.MLPClassifier(preset=preset, random_state=0, max_iter=2).fit(frame, target)
        members, layers = len(model.fitted_.network.members), model.fitted_.layers
        file = folder / f"{preset}.onnx"
        lamina.export_onnx(model, file)
        title = f"a table of 14 columns, preset {preset!r}: {members} × {'-'.join(map(str, layers))}"
        groups[title] = {
            "PyTorch, the bare networks": of_pytorch(layers, members, "SELU"),
            "its columns put together, and nothing else": call_of(columns_alone(feeds), feeds),
            "lamina, the whole prediction": call_of(str(file), feeds),
        }
    return groups


def columns_alone(feeds: dict[str, np.ndarray]) -> bytes:
    """A file that takes the columns of a row and puts numbers and texts together: what taking them costs."""
    from onnx import TensorProto, helper

    names = {np.dtype(np.float64): "numbers", np.dtype(object): "texts"}
    kinds = {"numbers": TensorProto.DOUBLE, "texts": TensorProto.STRING}
    columns = {kind: [name for name, x in feeds.items() if names[x.dtype] == kind] for kind in kinds}
    graph = helper.make_graph(
        [helper.make_node("Concat", columns[kind], [kind], axis=1) for kind in kinds],
        "columns",
        [helper.make_tensor_value_info(name, kinds[names[x.dtype]], [None, 1]) for name, x in feeds.items()],
        [helper.make_tensor_value_info(kind, kinds[kind], [None, len(columns[kind])]) for kind in kinds],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


if __name__ == "__main__":
    main()
