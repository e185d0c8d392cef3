"""MXNet's answers, kept as files, so that lamina can be compared with them where there is no MXNet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["keep", "kept"]

_FOLDER = Path(__file__).resolve().parent / "answers"
Answers = dict[tuple[str, str], Any]


def keep(part: str, answers: Answers) -> None:
    """Write a part's answers, one a line; ``{"as": n}`` is that of line n, from 0."""
    _FOLDER.mkdir(exist_ok=True)
    lines: list[str] = []
    first: dict[str, int] = {}
    for question, answer in answers.items():
        text = json.dumps(_shortened(answer))
        known = json.dumps({"as": first.setdefault(text, len(lines))})
        lines.append(
            f"[{json.dumps(question)[1:-1]}, {text if first[text] == len(lines) else min(text, known, key=len)}]"
        )
    (_FOLDER / f"{part}.jsonl").write_text("\n".join(lines) + "\n")


def kept(part: str) -> Answers:
    """A part's answers, as they were kept."""
    path = _FOLDER / f"{part}.jsonl"
    if not path.exists():
        raise SystemExit(f"{path} is not there: run with --record where MXNet can be installed")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {(kind, key): _answer(lines, answer) for kind, key, answer in lines}


def _answer(lines: list[Any], answer: Any) -> Any:
    is_other = isinstance(answer, dict) and answer.keys() == {"as"}
    return lines[answer["as"]][-1] if is_other else answer


def _shortened(answer: Any) -> Any:
    """With no more digits than float32 has, and without the text of errors, which tells of paths."""
    if isinstance(answer, dict) and "error" in answer:
        return {"error": answer["error"]}
    if isinstance(answer, dict):
        return {key: _shortened(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [_shortened(value) for value in answer]
    return float(f"{answer:.8g}") if isinstance(answer, float) else answer
