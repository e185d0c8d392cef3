"""The example in docs/deploy.md runs as it stands there, and its table of addresses is true."""

import os
import re
import subprocess
import sys
from pathlib import Path

SECTION = (
    (Path(__file__).parents[2] / "docs/deploy.md")
    .read_text()
    .partition("\n## Serving\n")[2]
    .partition("\n## ")[0]
)


def test_the_example_runs(tmp_path):
    [program] = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    program = program.replace('["lamina", ', f'[{sys.executable!r}, "-m", "lamina", ')
    program = program.replace('"fast", "--out"', '"fast", "--epochs", "1", "--hidden", "4", "--out"')
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"houses \[\d+, \d+\]", done.stdout.splitlines()[-1]), done.stdout


def test_the_addresses_are_there(server):
    paths = re.findall(r"`(?:POST )?(/[\w/.]+)`", SECTION)
    assert len(paths) > 8
    for path in paths:
        answer = server.ask(path.replace("NAME", "prices"))
        assert answer.status == (405 if path.endswith("predict") else 200), path
