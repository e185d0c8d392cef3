"""The program in docs/deploy.md about pages runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_program_makes_a_page(tmp_path):
    section = (ROOT / "docs/deploy.md").read_text("utf-8").split("## A page to try it")[1].split("\n## ")[0]
    (program,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True)
    assert (tmp_path / "flats.html").stat().st_size > 1 << 16
