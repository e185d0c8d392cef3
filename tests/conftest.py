"""Settings for all tests."""

import gc
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import contexts
import numpy as np
import pytest
import summary
from _pytest.doctest import DoctestModule
from command_line import without_pictures
from hypothesis import given, settings, strategies

import lamina

# No deadline for one example: on a busy machine it would fail tests that are right. `LAMINA_EXAMPLES`: how many each
# property is tried with, which is more in CI.
settings.register_profile("lamina", deadline=None, max_examples=int(os.environ.get("LAMINA_EXAMPLES", "30")))
settings.load_profile("lamina")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the machine code of this run to itself, out of the user's cache; `LAMINA_CACHE_DIR` keeps it longer."""
    config.pluginmanager.register(summary)
    config.pluginmanager.register(contexts)
    if "LAMINA_CACHE_DIR" not in os.environ:
        folder = os.environ["LAMINA_CACHE_DIR"] = tempfile.mkdtemp(prefix="lamina-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    # scikit-learn's boosting has thousands of short parallel loops: threads that wait by spinning take the cores from
    # the other processes of tests, and a fit of a second takes half a minute.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Where nothing writes bytecode, each of the processes that tests start would compile lamina's modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if hasattr(config, "workerinput"):
        _begin_elsewhere(config)


def _begin_elsewhere(config: pytest.Config) -> None:
    """Let each worker collect another folder first: on a fresh clone, each compiles a part of the modules and finds
    the bytecode of the rest, where all would compile the same ones at the same time."""
    worker: dict[str, Any] = config.workerinput  # pyright: ignore[reportAttributeAccessIssue] - pytest-xdist's
    arguments = [part for argument in config.args for part in _parts(argument)]
    first = int(worker["workerid"].removeprefix("gw")) * len(arguments) // worker["workercount"]
    config.args[:] = arguments[first:] + arguments[:first]


def _parts(argument: str) -> list[str]:
    """The folder of all tests divided into what is collected in it; any other argument is one part."""
    folder = Path(__file__).parent
    if Path(argument).resolve() != folder:
        return [argument]
    return sorted(
        str(path)
        for path in folder.iterdir()
        if path.name.startswith("test_") or (path.is_dir() and path.name[0] != "_")
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is collected stays: the garbage collector need not look at it, now or in any test.

    It is not disabled: Dask, imported here, would then leave it disabled after each slice (`dask.utils.disable_gc`).
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    try:
        return (yield)
    finally:
        gc.set_threshold(*thresholds)
        # At its first property, Hypothesis asks the collector who refers to its generator, and warns if it is frozen.
        settings(max_examples=1, database=None)(given(strategies.none())(lambda _: None))()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, Any, Any]:
    """Docstrings of tests have no examples; looking for them takes as long as looking for tests."""
    found = yield
    return [one for one in found if not isinstance(one, DoctestModule)]


COMPILER = Path(__file__).parent / "compiler"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With ``LAMINA_COMPILE=0`` nothing can be said of compiled functions, which all of `tests/compiler` is about."""
    items.sort(
        key=lambda item: item.path
    )  # workers, which begin at different folders, have to agree on the order
    _take_a_few(items)
    if os.environ.get("LAMINA_COMPILE", "1") == "0":
        for item in items:
            if item.get_closest_marker("compiles") or COMPILER in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="LAMINA_COMPILE=0"))


def _take_a_few(items: list[pytest.Item]) -> None:
    """Of the cases of a test with ``few(n)``, n that are evenly spread stay quick; the others are slow."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("few") and not item.get_closest_marker("slow"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for own in cases.values():
        marker = own[0].get_closest_marker("few")
        assert marker is not None
        quick = {i * len(own) // marker.args[0] for i in range(marker.args[0])}
        for i, item in enumerate(sorted(own, key=lambda item: item.nodeid)):
            if i not in quick:
                item.add_marker(pytest.mark.slow)


_OF_MODULES: dict[str, list[tuple[np.random.Generator, Any]]] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each test and fixture begins with the same random numbers, whatever ran before: its module's generators and the
    streams that all share begin anew."""
    module = getattr(item, "module", None)  # a docstring's example has none
    name = getattr(module, "__name__", "")
    if name not in _OF_MODULES:
        found = vars(module).values() if module else ()
        generators = [one for one in found if isinstance(one, np.random.Generator)]
        _OF_MODULES[name] = [(one, one.bit_generator.state) for one in generators]
    for generator, state in _OF_MODULES[name]:
        generator.bit_generator.state = state
    random.seed(0)
    np.random.seed(0)
    lamina.random.seed(0)


@pytest.fixture(autouse=True)
def few_pictures(request: pytest.FixtureRequest) -> Generator[None]:
    """Only tests that are marked so draw the figures of their reports, which takes longer than their trainings."""
    if request.node.get_closest_marker("pictures"):
        yield
        return
    with without_pictures():
        yield


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """Shells have their background jobs ignore SIGINT; tests of Ctrl-C pass there, too, and whatever ran before."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
