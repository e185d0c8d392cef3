"""lamina against its peers, side by side in one run: tables of medians and ratios, and a plot.

    python benchmarks/compare.py                        # everything; the first time it installs the peers
    python benchmarks/compare.py --quick --only epoch,loop --json out.json
    python benchmarks/compare.py --device gpu           # on a GPU of NVIDIA's: PyTorch, JAX and CuPy there

Each contestant works in a process of its own on the same data from the same initial weights, with the same number of
threads. They take turns in rounds; a turn that other processes disturbed is repeated.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import environment

if __name__ == "__main__":
    environment.enter(*(environment.GPU_PEERS if "gpu" in sys.argv else environment.PEERS))

import numpy as np
from measure import Contestant, measure_in_rounds
from report import Result, as_json, heading, print_table
from rich.console import Console
from workloads import WORKLOADS

from lamina.compiler.cpu._roofline import peak_flops

__all__ = ["main"]


def main() -> None:
    arguments = _arguments()
    # The best of tries over a while: other processes can only make it seem lower.
    measured = peak_flops.__wrapped__  # anew each time, as other processes may disturb it
    peak = arguments.threads * max(measured(np.dtype(np.float32)) for _ in range(20))
    out = Console(width=100)
    if arguments.device == "gpu":
        peak = _gpu(out)
    heading(out, arguments.threads, peak)
    results: list[Result] = []
    for name in arguments.only:
        results.append(_measured(name, arguments, peak))
        print_table(out, results[-1])
        if arguments.json:
            text = json.dumps(as_json(results, arguments.threads), indent=1)
            arguments.json.write_text(text + "\n")
    if arguments.plot:
        from plot import draw

        draw(results, arguments.threads, arguments.plot)


def _gpu(out: Console) -> float:
    """Say which GPU it is; its peak by its maker's numbers."""
    import lamina
    from lamina.context import device_of, usable

    device = device_of(usable(lamina.gpu()))
    out.print(f"{device.name}, peak {device.limits.peak_flops / 1e9:.0f} GFLOP/s in float32", highlight=False)
    return device.limits.peak_flops


def _measured(name: str, arguments: argparse.Namespace, peak: float) -> Result:
    workload = WORKLOADS[name]
    chosen = [c for c in workload.contestants if c.partition("@")[0] in arguments.contestants]
    contestants = [
        Contestant(c, name, arguments.threads, arguments.examples, arguments.calls) for c in chosen
    ]
    measure_in_rounds(contestants, arguments.repeats, arguments.patience, _progress)
    _progress("")
    return Result(name, workload, contestants, peak, arguments.examples)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    everybody = sorted({c for w in WORKLOADS.values() for c in w.contestants if "@" not in c})
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--only", type=_names(list(WORKLOADS)), metavar="NAME,…")
    parser.add_argument("--contestants", type=_names(everybody), default=everybody, metavar="NAME,…")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 9")
    parser.add_argument("--rounds", dest="repeats", type=int, help="so many rounds")
    parser.add_argument("--examples", type=int, help="fewer examples than the workloads have")
    parser.add_argument("--calls", type=int, help="fewer calls in a measurement than the workloads make")
    parser.add_argument(
        "--patience",
        type=float,
        default=2,
        help="seconds to wait for other processes; 0: repeat nothing either",
    )
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    parser.add_argument("--plot", type=Path, help="draw the results into this PNG")
    arguments = parser.parse_args()
    own = [name for name, workload in WORKLOADS.items() if workload.device == arguments.device]
    arguments.only = arguments.only or own
    arguments.repeats = arguments.repeats or (3 if arguments.quick else 9)
    return arguments


def _names(known: list[str]):
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return parse


if __name__ == "__main__":
    main()
