"""tools/words.py: comments, docstrings and texts are read, programs are not; ceilings only fall."""

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
[ceilings]
"lamina/one" = {}
"docs" = 5
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


def run(tree, ceiling, *options):
    (tree / "tools/words.toml").write_text(SETTINGS.format(ceiling))
    command = [sys.executable, str(tree / "tools/words.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout


def test_uses_above_a_ceiling_are_listed(tree):
    code, said = run(tree, 2)
    assert code == 1
    assert said.splitlines() == [
        "src/lamina/one/code.py:1: 'somebody': a user",
        "src/lamina/one/code.py:2: 'so many': the count",
        "src/lamina/one/code.py:3: 'of which': whose",
        "lamina/one: 3 uses, above its ceiling of 2 (words.toml)",
    ]


def test_ceilings_fall_to_what_there_is(tree):
    assert run(tree, 4, "--write") == (0, "")
    assert (tree / "tools/words.toml").read_text().endswith('[ceilings]\n"docs" = 1\n"lamina/one" = 3\n')


def test_a_package_without_a_ceiling_has_none(tree):
    (tree / "CONTRIBUTING.md").write_text("So many.\n")
    code, said = run(tree, 3)
    assert code == 1
    assert "CONTRIBUTING.md: 1 uses, above its ceiling of 0" in said
