"""Estimators with other versions of scikit-learn: installs each beside lamina and runs the tests of both kinds.

    python tools/sklearn_versions.py            the lowest version that pyproject.toml allows, those between, the newest
    python tools/sklearn_versions.py 1.7.2      these versions

Each version gets an environment of its own in a temporary folder, or in --folder, which keeps it for the next time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ["1.6.0", "1.7.2", "1.8.0", ""]
TESTS = [
    "tests/neural_network", "tests/interchange/test_sklearn_in.py", "tests/estimators/test_sklearn.py",
    "tests/estimators/test_sklearn_tools.py",
]  # fmt: skip
WITH = {"1.6": ["scipy==1.15.*"]}
"""What else is old in the environments of old versions: with the SciPy of today, scikit-learn 1.6 itself warns."""


def python_with(version: str, folder: Path) -> Path:
    """The interpreter of an environment with lamina and this version of scikit-learn ('' is the newest)."""
    environment = folder / f"sklearn-{version or 'newest'}"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    uv = Path(sys.executable).with_name("uv")  # of the extra `dev`
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    wanted = [
        f"scikit-learn=={version}" if version else "scikit-learn",
        *WITH.get(version.rpartition(".")[0], []),
    ]
    others = ["pytest>=8.3,<9", "hypothesis", "pandas", "threadpoolctl", "matplotlib", "polars", "pyarrow"]
    install = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "-e",
        f"{ROOT}[sklearn]",
        *wanted,
        *others,
    ]
    subprocess.run(install, check=True)
    return python


def main() -> int:
    """1 if the tests of a version fail."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("versions", nargs="*", default=VERSIONS, help="as 1.7.2; default: lowest to newest")
    parser.add_argument("--folder", type=Path, help="where the environments are kept")
    options = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        for version in options.versions:
            python = python_with(version, (options.folder or Path(temporary)).resolve())
            print(f"scikit-learn {version or 'newest'}:", flush=True)
            tests = subprocess.run([python, "-m", "pytest", "-m", "not slow", *TESTS], cwd=ROOT, check=False)
            failed += [version or "newest"] if tests.returncode else []
    print(f"failed: {', '.join(failed)}" if failed else "all passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
