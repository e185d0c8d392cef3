"""lamina.neural_network with other versions of scikit-learn: installs each beside lamina and runs its tests there.

    python tools/sklearn_versions.py            the lowest and the newest version that pyproject.toml allows
    python tools/sklearn_versions.py 1.7.2      these versions

Each version gets an environment of its own in a temporary folder, or in --folder, which keeps it for the next time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOWEST = "1.6.0"
WITH = {"1.6": ["numpy==2.0.*", "scipy==1.14.*"]}
"""What else is old in the environments of old versions: with the SciPy of today, scikit-learn 1.6 itself warns."""


def python_with(version: str, folder: Path) -> Path:
    """The interpreter of an environment with lamina and this version of scikit-learn ('' is the newest)."""
    environment = folder / f"sklearn-{version or 'newest'}"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(environment, with_pip=True)
    wanted = [
        f"scikit-learn=={version}" if version else "scikit-learn",
        *WITH.get(version.rpartition(".")[0], []),
    ]
    others = ["pytest>=8.3,<9", "hypothesis", "pandas", "threadpoolctl"]
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--upgrade",
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
    parser.add_argument(
        "versions", nargs="*", default=[LOWEST, ""], help="as 1.7.2; default: lowest and newest"
    )
    parser.add_argument("--folder", type=Path, help="where the environments are kept")
    options = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        for version in options.versions:
            python = python_with(version, (options.folder or Path(temporary)).resolve())
            print(f"scikit-learn {version or 'newest'}:", flush=True)
            tests = subprocess.run([python, "-m", "pytest", "tests/neural_network"], cwd=ROOT, check=False)
            failed += [version or "newest"] if tests.returncode else []
    print(f"failed: {', '.join(failed)}" if failed else "all passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
