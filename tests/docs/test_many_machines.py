"""docs/scale.md, "Many machines": its programs run as they stand there, on two processes; its links lead somewhere.

Its command is run by tests/distributed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("mpi4py", reason="NOT TESTED: MPI (pip: 'lamina[mpi]')")

ROOT = Path(__file__).parents[2]
SECTION = re.search(r"\n## Many machines\n(.*?)(\n## |\Z)", (ROOT / "docs/scale.md").read_text(), re.DOTALL)[
    1
]
PROGRAMS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
ENVIRONMENT = {
    "HOME": tempfile.gettempdir(),  # Open MPI needs one
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",  # as in containers
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}
MPIRUN = shutil.which("mpirun", path=ENVIRONMENT["PATH"])

pytestmark = pytest.mark.skipif(MPIRUN is None, reason="NOT TESTED: MPI (pip: 'lamina[mpi]')")


def run(command, folder):
    done = subprocess.run(
        [MPIRUN, "--oversubscribe", *command],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
        cwd=folder,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow  # tests/distributed has both kinds of training
def test_the_programs_run(tmp_path):
    together = "\n".join(PROGRAMS)
    said = run(["-n", "2", sys.executable, "-W", "error", "-c", together], tmp_path).splitlines()
    assert re.fullmatch(r"(0\.9\d|1\.00) on 2 processes", said[0])
    assert re.fullmatch(r"loss \d.*", said[1])


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", SECTION):
        assert (ROOT / "docs" / target).exists(), target
