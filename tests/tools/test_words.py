"""tools/words.py: comments, docstrings and texts are read, programs are not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools/words.py"
CODE = '''"""Which somebody reads."""
nobody = 1  # at most so many
text = f"{len('')} of which"
right = "a letter of which"
'''
SETTINGS = """[phrases]
"so many" = "the count"
"nobody" = "no one"
"somebody" = "a user"
"of which" = "whose"
[allowed]
"a letter of which" = "an example"
"""


@pytest.fixture
def tree(tmp_path):
    for name in ("tools", "docs", "src/lamina/one"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(TOOL, tmp_path / "tools")
    (tmp_path / "src/lamina/one/code.py").write_text(CODE)
    (tmp_path / "docs/page.md").write_text("Nobody reads this.\n")
    (tmp_path / "README.md").write_text("")
    (tmp_path / "CONTRIBUTING.md").write_text("")
    return tmp_path


def run(tree):
    (tree / "tools/words.toml").write_text(SETTINGS)
    command = [sys.executable, str(tree / "tools/words.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_uses_are_listed(tree):
    assert run(tree) == (
        1,
        [
            "src/lamina/one/code.py:1: 'somebody': a user",
            "src/lamina/one/code.py:2: 'so many': the count",
            "src/lamina/one/code.py:3: 'of which': whose",
            "docs/page.md:1: 'nobody': no one",
        ],
    )


def test_plain_text_passes(tree):
    (tree / "src/lamina/one/code.py").write_text('right = "a letter of which"\n')
    (tree / "docs/page.md").write_text("No user reads this.\n")
    assert run(tree) == (0, [])
