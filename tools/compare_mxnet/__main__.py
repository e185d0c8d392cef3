"""lamina against real MXNet 1.9.1: names, arguments and results that differ.

    python tools/compare_mxnet                       # everything; the first time it installs MXNet
    python tools/compare_mxnet --only arrays --all   # one part, with the differences that are settled

A part is a module in ``parts``: the namespaces whose names and arguments are compared, and calls that both libraries
run. A difference that is meant is settled with a sentence in the part's `SETTLED`. The exit status is 1 if any is left.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare import answers, differences, settled_by
from environment import python_with_mxnet
from recorded import keep, kept
from tables import table_is_stale

from lamina.outside import OUTSIDE


def main() -> int:
    parts = sorted(p.stem for p in (Path(__file__).parent / "parts").glob("[!_]*.py"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=parts, action="append", help="compare this part alone")
    parser.add_argument("--python", help="an interpreter that has MXNet already")
    parser.add_argument("--all", action="store_true", help="show settled differences too")
    parser.add_argument("--record", action="store_true", help="keep MXNet's answers in the folder answers")
    parser.add_argument("--recorded", action="store_true", help="compare with kept answers, without MXNet")
    parser.add_argument("--docs", choices=("write", "check"), help="the tables of docs/from-mxnet.md")
    options = parser.parse_args()
    python = "" if options.recorded else python_with_mxnet(options.python)
    open_ = 0
    for part in options.only or parts:
        module = importlib.import_module(f"parts.{part}")
        settled, more = OUTSIDE | module.SETTLED, getattr(module, "TAKES_MORE", False)
        mxnet = kept(part) if options.recorded else answers(python, "mxnet", part)
        if options.record:
            keep(part, mxnet)
        lamina = answers(sys.executable, "lamina", part)
        found = [(d, settled_by(d, settled)) for d in differences(mxnet, lamina, takes_more=more)]
        for difference, why in found:
            if why is None:
                print(
                    f"{difference.subject}\n    MXNet:  {difference.mxnet}\n    lamina: {difference.lamina}"
                )
            elif options.all:
                print(f"{difference.subject}: {why}")
        if options.docs and table_is_stale(part, mxnet, found, write=options.docs == "write"):
            print(f"docs/from-mxnet.md does not say what the comparison of {part} does")
            open_ += 1
        left = sum(why is None for _, why in found)
        questions = sum(kind == "results" for kind, _ in mxnet)
        print(f"{part}: {questions} calls; {len(found)} differences, of which {left} are not settled")
        open_ += left
    return open_ > 0


if __name__ == "__main__":
    sys.exit(main())
