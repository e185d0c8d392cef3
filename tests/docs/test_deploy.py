"""The programs of docs/deploy.md run as they stand there, one after the other."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs/deploy.md"


def test_the_programs_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "deploy"}
    programs = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    for program in programs:
        exec(compile(program, str(DOCUMENT), "exec"), namespace)
    printed = capsys.readouterr().out
    assert "ImportedNetwork('" in printed
    assert "True" in printed
    assert "[[32. 32.]]" in printed


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", DOCUMENT.read_text()):
        assert (DOCUMENT.parent / target).exists(), target
