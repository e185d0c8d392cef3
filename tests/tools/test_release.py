"""`make release VERSION=…`, in a repository of its own: the files that name the version, and no others."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    "tools/release.py",
    "src/lamina/__init__.py",
    "CITATION.cff",
    "README.md",
    "docs/how-to/install.md",
    "packaging/conda/recipe.yaml",
    "CHANGELOG.md",
    "Makefile",
]


def git(folder: Path, *words: str) -> str:
    environment = {**os.environ, "TZ": "UTC"}
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()


def release(folder: Path, version: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--silent", "release", f"VERSION={version}", f"PYTHON={sys.executable}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path):
    if shutil.which("git") is None or shutil.which("make") is None:
        pytest.skip("NOT TESTED: making a release, without git and make")
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    path = tmp_path / "CHANGELOG.md"  # also where this tree has just been released
    path.write_text(path.read_text().replace("## Unreleased\n", "## Unreleased\n\n- A line.\n", 1))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "someone")
    git(tmp_path, "config", "user.email", "someone@example.com")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "before")
    return tmp_path


def test_a_version_is_cut(repository):
    before = (repository / "CHANGELOG.md").read_text()

    assert release(repository, "9.8.7").returncode == 0

    assert git(repository, "describe") == "v9.8.7"
    assert git(repository, "status", "--porcelain") == ""
    changed = git(repository, "diff", "--name-only", "HEAD~1").split()
    assert sorted(changed) == sorted({*FILES} - {"Makefile", "tools/release.py"})
    assert "version: 9.8.7\n" in (repository / "CITATION.cff").read_text()
    assert '__version__ = "9.8.7"\n' in (repository / "src/lamina/__init__.py").read_text()
    date = git(repository, "log", "-1", "--date=format-local:%Y-%m-%d", "--format=%ad")
    after = (repository / "CHANGELOG.md").read_text()
    assert after.replace(f"## 9.8.7 ({date})\n\n", "", 1) == before
    assert "## Unreleased\n\n## 9.8.7" in after
    checked = [sys.executable, "tools/release.py", "--check"]
    assert (
        "9.8.7" in subprocess.run(checked, cwd=repository, check=True, capture_output=True, text=True).stdout
    )


def test_nothing_new_is_not_released(repository):
    assert release(repository, "9.8.7").returncode == 0

    refused = release(repository, "9.8.8")

    assert refused.returncode != 0
    assert "nothing to release" in refused.stderr
    assert git(repository, "describe") == "v9.8.7"


@pytest.mark.parametrize(
    ("version", "said"),
    [("0.0.9", "is not above"), ("1.0", "MAJOR.MINOR.PATCH"), ("9.8.7rc1", "MAJOR.MINOR.PATCH")],
)
def test_a_version_that_is_none_is_refused(repository, version, said):
    refused = release(repository, version)

    assert refused.returncode != 0
    assert said in refused.stderr
    assert git(repository, "status", "--porcelain") == ""


def test_a_tree_with_changes_is_refused(repository):
    (repository / "new.txt").write_text("not committed")

    refused = release(repository, "9.8.7")

    assert refused.returncode != 0
    assert "new.txt" in refused.stderr
    assert git(repository, "tag") == ""


def test_files_that_disagree_are_named(repository):
    path = repository / "CITATION.cff"
    path.write_text(path.read_text().replace("\nversion: ", "\nversion: 3."))

    refused = release(repository, "9.8.7")

    assert refused.returncode != 0
    assert "CITATION.cff says 3." in refused.stderr
