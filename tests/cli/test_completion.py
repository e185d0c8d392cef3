"""Bash completes commands, options and values, once `lamina --install-completion` has set it up."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def bash(tmp_path):
    """Runs a script of bash in a home of its own."""
    if shutil.which("bash") is None:
        pytest.skip("NOT TESTED: completion, as there is no bash")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(script):
        environment = {**os.environ, "HOME": str(tmp_path), "PATH": path}
        done = subprocess.run(
            ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.split("\n")[:-1]

    return run


@pytest.mark.untraced
def test_bash_completes_commands_options_and_values(bash):
    bash("lamina --install-completion; true")
    for words, expected in (
        (["ser"], {"serve"}),
        (["serve", "--work"], {"--workers"}),
        (["train", "table.csv", "--preset", ""], {"default", "fast", "medium", "realmlp", "best"}),
    ):
        found = bash(
            f"source ~/.bashrc; COMP_WORDS=(lamina {' '.join(word or chr(39) * 2 for word in words)})\n"
            f"COMP_CWORD={len(words)}; _lamina_completion lamina; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        assert set(found) == expected
