"""The compiler's tests and random programs for several processors: compiled for lesser ones, and run in emulators.

    python tools/processors.py                the levels of x86-64 that this processor has; emulated ones by qemu-user
    python tools/processors.py --quick        emulated ones only

Says at the end which were run, and which not and why. The exit code is 1 if a test failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from processors import PROCESSORS  # noqa: E402

from lamina.compiler.llvm.processor import architecture, runnable_levels  # noqa: E402

TESTS = [
    "tests/compiler/cpu", "tests/compiler/emit", "tests/compiler/llvm/test_arithmetic.py",
    "tests/compiler/llvm/test_mathematics.py", "tests/compiler/test_equal.py", "tests/compiler/test_primitives.py",
    "tests/compiler/test_random_graphs.py", "tests/compiler/test_training.py", "tests/fuzz/test_programs.py",
    "tests/deferral/test_equal_to_eager.py", "tests/neural_network/test_lbfgs_loss.py",
]  # fmt: skip
"""What depends on the processor."""
NOT_AGAIN = "not operator_by_operator and not other_processors and not test_processors"
"""Of these: what no compiled code takes part in, and what goes through all processors by itself."""

EMULATED = ("Nehalem", "Haswell")
"""Processors of qemu's, of the levels x86-64-v2 and v3, which end a process at an instruction that they lack."""

ARM_PACKAGES = [
    "python3.13-minimal", "libpython3.13-minimal", "libpython3.13-stdlib", "libc6", "libgcc-s1", "libstdc++6", "zlib1g",
    "libexpat1", "libffi8", "libssl3t64", "libbz2-1.0", "liblzma5",
]  # fmt: skip
ARM_WHEELS = ["numpy", "llvmlite", "msgspec", "pooch", "typer", "rich"]
EMULATION = {"LAMINA_CACHE_SIZE": "0", "LAMINA_CPU": "native", "LAMINA_NUM_THREADS": "1"}
PROGRAM = """
import platform
import numpy as np
import lamina
from lamina import nd

random = np.random.default_rng(0)
functions = {
    "a layer": lambda x, w: nd.log_softmax(nd.maximum(nd.dot(x, w), 0.0)),
    "functions": lambda x, w: nd.tanh(nd.exp(-x * x)) + nd.sin(x) * nd.sigmoid(x) + nd.sum(w),
}
for m, k, n in ((33, 50, 17), (64, 150, 70), (1, 9, 130)):
    x, w = (nd.array(random.standard_normal(shape).astype("float32")) for shape in ((m, k), (k, n)))
    for name, function in functions.items():
        with lamina.eager():
            difference = np.abs(function(x, w).asnumpy() - lamina.compile(function)(x, w).asnumpy()).max()
        assert difference < 1e-4, (name, m, k, n, difference)
print(platform.machine(), "agrees with NumPy")
"""


def ran(command: list[str], **variables: str) -> bool:
    """Whether a command, run at the root of the repository, succeeds.

    OpenBLAS chooses kernels by the processor: what the environment chose for this one may not run on an emulated one.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    return subprocess.run(command, cwd=ROOT, env={**inherited, **variables}, check=False).returncode == 0


def levels(results: dict[str, str]) -> None:
    """Each level of this processor, with the caches of the first processors that had it."""
    for processor in PROCESSORS:
        level = processor.partition(",")[0]
        if level not in runnable_levels():
            results[level] = f"SKIPPED: this processor ({architecture()}) lacks it"
            continue
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "2",
            "--dist",
            "worksteal",
            *TESTS,
            "-k",
            NOT_AGAIN,
        ]
        results[f"LAMINA_CPU={processor}"] = "passed" if ran(command, LAMINA_CPU=processor) else "FAILED"


def emulated(results: dict[str, str]) -> None:
    """Processors that qemu emulates: a few programs, as emulation takes its time."""
    for cpu in EMULATED:
        name = f"qemu-x86_64 -cpu {cpu}"
        qemu = shutil.which("qemu-x86_64")
        if qemu is None or architecture() != "x86_64":
            results[name] = "SKIPPED: " + ("no qemu-x86_64" if qemu is None else f"this is {architecture()}")
            continue
        command = [qemu, "-cpu", cpu, sys.executable, "-c", PROGRAM]
        results[name] = "passed" if ran(command, **EMULATION) else "FAILED"


def arm(results: dict[str, str]) -> None:
    """Python and NumPy for aarch64 by qemu, from Debian's packages and from wheels."""
    name = "qemu-aarch64"
    lacking = [tool for tool in ("qemu-aarch64", "apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if lacking:
        results[name] = f"SKIPPED: no {', '.join(lacking)}"
        return
    with tempfile.TemporaryDirectory(prefix="lamina-aarch64-") as folder:
        root = Path(folder)
        if not (wanted := fetched(root)):
            results[name] = "SKIPPED: Python for aarch64 could not be had from Debian's packages and PyPI"
            return
        path = os.pathsep.join([str(root / "site"), str(ROOT / "src")])
        command = ["qemu-aarch64", "-L", str(root / "root"), str(wanted), "-c", PROGRAM]
        results[name] = "passed" if ran(command, **EMULATION, PYTHONPATH=path) else "FAILED"


def fetched(root: Path) -> Path | None:
    """Put Python for aarch64 into a folder; its path. The system's own packages stay as they are."""
    lists, packages, system = root / "apt", root / "packages", root / "root"
    for made in (
        lists / "lists" / "partial",
        lists / "archives" / "partial",
        packages,
        system / "usr" / "lib",
    ):
        made.mkdir(parents=True)
    (lists / "status").touch()
    (system / "lib").symlink_to("usr/lib")  # where packages have their files, and programs look for them
    settings = ["APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Sandbox::User=root"]
    settings += [f"Dir::State={lists}", f"Dir::State::status={lists / 'status'}", f"Dir::Cache={lists}"]
    options = [part for setting in settings for part in ("-o", setting)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += [
        "--only-binary=:all:",
        "--python-version=3.13",
        "--implementation=cp",
        "--target",
        str(root / "site"),
    ]
    pip += [f"--platform=manylinux{tag}_aarch64" for tag in ("_2_28", "_2_27", "_2_17", "2014")]
    for command in (
        ["apt-get", "-qq", *options, "update"],
        ["apt-get", "-qq", *options, "download", *ARM_PACKAGES],
        [*pip, *ARM_WHEELS],
    ):
        if subprocess.run(command, cwd=packages, stdout=subprocess.DEVNULL, check=False).returncode:
            return None
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, system], check=True)
    return system / "usr" / "bin" / "python3.13"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="emulated processors only")
    results: dict[str, str] = {}
    if not parser.parse_args().quick:
        levels(results)
    emulated(results)
    arm(results)
    print("\nprocessors")
    for name, result in results.items():
        print(f"  {name:<36} {result}")
    return int(any(result == "FAILED" for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
