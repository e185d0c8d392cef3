"""The example in docs/deploy.md runs as it stands there, and its table of addresses is true."""

import re
import sys
from pathlib import Path

import pytest
from documents import programs, run_program

SECTION = (
    (Path(__file__).parents[2] / "docs/deploy.md")
    .read_text()
    .partition("\n## Serving\n")[2]
    .partition("\n## ")[0]
)


@pytest.mark.slow  # it trains and serves, in processes of its own
def test_the_example_runs(tmp_path):
    [program] = programs(SECTION)
    program = program.replace('["lamina", ', f'[{sys.executable!r}, "-m", "lamina", ')
    program = program.replace('"fast", "--out"', '"fast", "--epochs", "1", "--hidden", "4", "--out"')
    printed = run_program(program, tmp_path)
    assert re.fullmatch(r"houses \[\d+, \d+\]", printed.splitlines()[-1]), printed


@pytest.mark.slow
def test_the_addresses_are_there(server):
    paths = re.findall(r"`(?:POST )?(/[\w/.]+)`", SECTION)
    assert len(paths) > 8
    version = server.ask("/v1/models/prices").json["version"]
    for path in paths:
        answer = server.ask(path.replace("NAME", "prices").replace("VERSION", version))
        assert answer.status == (405 if path.endswith(("predict", "infer")) else 200), path
