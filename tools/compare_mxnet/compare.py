"""What differs between two libraries' answers, and which of the differences are settled."""

from __future__ import annotations

import json
import math
import os
import subprocess
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lamina.outside import OUTSIDE

__all__ = ["Difference", "answers", "differences", "settled_by"]

_HERE = Path(__file__).resolve().parent
Answers = dict[tuple[str, str], Any]
CRASHED = {"error": "the process ended"}


@dataclass(frozen=True)
class Difference:
    """`subject` is a full name, ``name(argument)``, or a call."""

    subject: str
    mxnet: str
    lamina: str


def answers(python: str, library: str, part: str) -> Answers:
    """What a library answers to a part's questions; it is started anew after a question that ends the process."""
    found: Answers = {}
    asked = 0  # a question can come twice
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "MXNET_SAFE_ACCUMULATION": "0"}
    environment["PYTHONPATH"] = os.pathsep.join([str(_HERE), str(_HERE.parents[1] / "src")])
    while True:
        command = [python, str(_HERE / "probe.py"), library, part, str(asked)]
        process = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        lines = [json.loads(line) for line in process.stdout.splitlines() if _is_json(line)]
        for question, answer in zip(lines[::2], lines[1::2], strict=False):
            found[tuple(question)] = answer
        asked += (len(lines) + 1) // 2
        if process.returncode == 0:
            return found
        if len(lines) % 2 == 0:
            raise SystemExit(f"{library} does not run:\n{process.stderr}")
        found[tuple(lines[-1])] = CRASHED


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def differences(mxnet: Answers, lamina: Answers, *, takes_more: bool = False) -> list[Difference]:
    """All differences; with `takes_more`, a call that MXNet refuses and lamina takes is none."""
    found: list[Difference] = []
    for (kind, key), theirs in mxnet.items():
        ours = lamina[kind, key]
        if kind == "names":
            found += [Difference(f"{key}.{n}", "is there", "missing") for n in theirs if n not in ours]
        elif kind == "arguments":
            for name in sorted(set(theirs) & set(ours)):
                found += _of_arguments(f"{key}.{name}", theirs[name], ours[name])
        elif takes_more and _is_error(theirs) and not _is_error(ours):
            continue
        elif not _same(theirs, ours):
            found.append(Difference(key, _shown(theirs), _shown(ours)))
    return found


def _is_error(answer: Any) -> bool:
    return isinstance(answer, dict) and "error" in answer


def _of_arguments(name: str, theirs: list[list[str]], ours: list[list[str]]) -> list[Difference]:
    """Arguments that are missing, at another place, or have another default. More than MXNet's do no harm."""
    found = []
    own = dict(ours)
    for place, (argument, default) in enumerate(theirs):
        subject = f"{name}({argument})"
        if argument not in own:
            found.append(Difference(subject, f"default {default}" if default else "required", "missing"))
        elif ours.index([argument, own[argument]]) != place:
            found.append(
                Difference(subject, f"place {place}", f"place {ours.index([argument, own[argument]])}")
            )
        elif default != own[argument] and default not in ("", "none", "[]"):
            found.append(
                Difference(subject, f"default {default}", f"default {own[argument] or 'none: required'}")
            )
    return found


def _same(theirs: Any, ours: Any) -> bool:
    """Equal results: types exactly, numbers to rounding; two errors are the same."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if "error" in theirs or "error" in ours:
            return "error" in theirs and "error" in ours
        if theirs.keys() != ours.keys():
            return False
        return all(
            _same_values(v, ours[k]) if k == "values" else _same(v, ours[k]) for k, v in theirs.items()
        )
    if isinstance(theirs, list) and isinstance(ours, list):
        return len(theirs) == len(ours) and all(map(_same, theirs, ours))
    if isinstance(theirs, float) and isinstance(ours, float):
        return (math.isnan(theirs) and math.isnan(ours)) or math.isclose(
            theirs, ours, rel_tol=2e-5, abs_tol=1e-6
        )
    return type(theirs) is type(ours) and theirs == ours


def _same_values(theirs: list[Any], ours: list[Any]) -> bool:
    """Numbers of arrays: to the rounding of the largest, which is what sums leave."""
    if len(theirs) != len(ours) or [type(x) for x in theirs] != [type(x) for x in ours]:
        return False
    largest = max((abs(x) for x in theirs if math.isfinite(x)), default=0)
    return all(
        x == y or (math.isnan(x) and math.isnan(y)) or abs(x - y) <= 1e-5 * max(largest, abs(x), 0.1)
        for x, y in zip(theirs, ours, strict=True)
    )


def _shown(answer: Any) -> str:
    text = json.dumps(answer)
    if isinstance(answer, dict) and "error" in answer:
        text = f"{answer['error']}: {answer.get('text', '').splitlines()[-1:] or ''}"
    return text if len(text) <= 230 else text[:230] + "…"


def settled_by(difference: Difference, settled: dict[str, str]) -> str | None:
    """The sentence that settles a difference: under its subject, or under a pattern (``mx.nd.Conv*``)."""
    if difference.subject in settled:
        return settled[difference.subject]
    if difference.lamina == "missing" and difference.subject.startswith("mx."):
        settled = {**settled, **OUTSIDE}
    matching = (why for pattern, why in settled.items() if fnmatchcase(difference.subject, pattern))
    return next(matching, None)
