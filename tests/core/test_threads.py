"""How many threads compute, and that NumPy's products have one."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

import lamina
from lamina import nd
from lamina.core import blas, threads
from lamina.errors import LaminaError


def run_program(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "", "LAMINA_NUM_THREADS": "", **environment},
    )


@pytest.mark.slow
def test_the_number_of_threads_comes_from_the_environment():
    show = "import lamina; print(lamina.get_num_threads())"
    cores = threads.available_cores()
    for environment, expected in [
        ({}, cores),
        ({"LAMINA_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": " 1, 4"}, 1),
        ({"OMP_NUM_THREADS": "1000"}, cores),
        ({"OMP_NUM_THREADS": "some"}, cores),
        ({"OMP_NUM_THREADS": "0"}, cores),
        ({"OMP_NUM_THREADS": "1", "LAMINA_NUM_THREADS": "3"}, 3),
    ]:
        assert run_program(show, **environment).stdout.strip() == str(expected), environment
    for wrong in ("0", "many", "-1", "5000"):
        assert "LAMINA_NUM_THREADS" in run_program(show, LAMINA_NUM_THREADS=wrong).stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_that_may_use_one_core_has_one_thread():
    core = min(os.sched_getaffinity(0))
    show = f"import os, lamina; os.sched_setaffinity(0, [{core}]); print(lamina.get_num_threads())"
    assert run_program(show).stdout.strip() == "1"


def test_the_number_of_threads_can_be_set():
    before = lamina.get_num_threads()
    try:
        lamina.set_num_threads(3)
        assert lamina.get_num_threads() == 3
        for wrong in (0, -1, 1025):
            with pytest.raises(LaminaError, match="from 1 to 1024"):
                lamina.set_num_threads(wrong)
        assert lamina.get_num_threads() == 3
    finally:
        lamina.set_num_threads(before)


def test_searches_side_by_side_divide_the_threads_and_leave_them_as_they_were():
    before = lamina.get_num_threads()
    lamina.set_num_threads(6)
    first, second = threads.divided_threads(2), threads.divided_threads(3)
    first.__enter__()
    second.__enter__()
    assert lamina.get_num_threads() == 2
    first.__exit__(None, None, None)  # before the one that began later
    assert lamina.get_num_threads() == 2
    second.__exit__(None, None, None)
    assert lamina.get_num_threads() == 6
    with threads.divided_threads(100):
        assert lamina.get_num_threads() == 1
    lamina.set_num_threads(before)


def test_cores_are_within_those_of_the_machine_and_quotas_of_control_groups_count(monkeypatch):
    assert 1 <= threads.available_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(threads, "_cgroup2_quota", lambda: (150000, 100000))
    assert threads._cgroup_quota() == 2
    monkeypatch.setattr(threads, "_cgroup2_quota", lambda: (-1, 100000))
    assert threads._cgroup_quota() is None


def blas_threads():
    return [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]


@pytest.fixture
def products_of_blas():
    lamina.set_eager_products("blas")
    yield
    lamina.set_eager_products("lamina")


def test_a_blas_has_one_thread_and_bits_do_not_depend_on_what_others_have(products_of_blas):
    random = np.random.default_rng(0)
    pairs = [
        ((300, 784), (784, 256)),
        ((5, 3000), (3000, 700)),
        ((1, 900), (900, 800)),
        ((3, 90, 90), (3, 90, 90)),
    ]
    for left, right in pairs:
        a, b = random.normal(size=left).astype(np.float32), random.normal(size=right).astype(np.float32)
        with threadpoolctl.threadpool_limits(1):
            expected = a @ b
        with threadpoolctl.threadpool_limits(2):
            np.testing.assert_array_equal(blas.matmul(a, b), expected)
            with lamina.eager():
                product = nd.dot if a.ndim == 2 else nd.batch_dot
                np.testing.assert_array_equal(product(nd.array(a), nd.array(b)).asnumpy(), expected)


@pytest.mark.skipif(blas._control() is None, reason="NumPy's BLAS can't be told how many threads to use")
def test_products_in_several_threads_leave_the_number_of_a_blas_as_it_was():
    a = np.ones((200, 200), np.float32)
    with threadpoolctl.threadpool_limits(2):
        before = blas_threads()
        workers = [threading.Thread(target=lambda: [blas.matmul(a, a) for _ in range(50)]) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert blas_threads() == before


def test_items_are_computed_apart_in_their_order_by_products_of_one_thread(monkeypatch):
    both = threading.Barrier(2, timeout=60)

    def told(k):
        both.wait()  # which one thread alone would not pass
        return k, threading.get_ident(), blas_threads()

    monkeypatch.setattr(blas, "get_num_threads", lambda: 2)
    with threadpoolctl.threadpool_limits(2):
        found = blas.apart(told, iter(range(4)))
        assert [k for k, _, _ in found] == [0, 1, 2, 3]
        assert len({thread for _, thread, _ in found}) == 2
        if blas._control() is not None:
            assert all(1 in counts for _, _, counts in found)
            assert blas_threads() != found[0][2]
        monkeypatch.setattr(blas, "get_num_threads", lambda: 1)
        here = threading.get_ident()
        assert blas.apart(lambda k: (k, threading.get_ident()), [1, 2]) == [(1, here), (2, here)]


def test_items_are_computed_apart_after_the_main_thread_has_ended():
    program = (
        "import threading, time, lamina\nfrom lamina.core import blas\nblas.get_num_threads = lambda: 2\n"
        "def late():\n    threading.main_thread().join()\n    print(blas.apart(abs, [-1, 2]))\n"
        "threading.Thread(target=late).start()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "[1, 2]\n", done.stderr
