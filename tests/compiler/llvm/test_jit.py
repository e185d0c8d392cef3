"""Machine code is compiled once, kept on disk, and never taken from a file that isn't what it should be."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from lamina.compiler.cpu import run
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu.machine import host_machine
from lamina.compiler.llvm import INDEX, cache, jit
from lamina.compiler.llvm.cache import CodeCache, default_directory, size_limit


def counting_module(value: int = 7) -> ThreadModule:
    module = ThreadModule()
    with module.function("step") as b:
        b.store(b.load_pointer(b.pointer_argument("arguments"), 0), b.const(value, INDEX))
    return module


def empty_module() -> ThreadModule:
    module = ThreadModule()
    with module.function("step"):
        pass
    return module


own_files = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no modes")


@pytest.fixture
def directory(tmp_path, monkeypatch):
    nothing = jit.load(host_machine(), "nothing", empty_module)
    run.run(nothing.address("step"), None, 1)  # loads the pool's own code before
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def load(directory, execute):
    """Load the module, run it, and say how often its assembly was asked for."""

    def apply(key="key"):
        calls = []

        def make():
            calls.append(1)
            return counting_module()

        compiled = jit.load(host_machine(), key, make)
        out = np.zeros(1, np.int64)
        execute(compiled.address("step"), [out])
        assert out[0] == 7
        return len(calls)

    return apply


def entries(directory):
    return sorted(directory.glob("*.object"))


def test_a_second_load_asks_for_nothing(load, directory):
    assert load() == 1
    assert load() == 0
    assert len(entries(directory)) == 1
    assert load("another key") == 1
    assert not list(directory.glob("*.tmp"))


def test_another_process_finds_the_code(load, directory):
    load()
    program = (
        "from lamina.compiler.cpu.machine import host_machine\n"
        "from lamina.compiler.llvm import jit\n"
        "def make(): raise SystemExit('asked for the assembly')\n"
        "print(jit.load(host_machine(), 'key', make).address('step') != 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "foreign", "magic"])
def test_damaged_entries_are_replaced(damage, load, directory):
    load("other")
    (foreign,) = entries(directory)
    foreign_bytes = foreign.read_bytes()
    foreign.unlink()
    load()
    (entry,) = entries(directory)
    good = entry.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    bad = {
        "truncated": good[: len(good) // 2],
        "empty": b"",
        "flipped": bytes(flipped),
        "foreign": foreign_bytes,
        "magic": b"x" + good[1:],
    }[damage]
    entry.write_bytes(bad)
    assert load() == 1
    assert load() == 0
    assert entry.read_bytes() == good


def test_directories_that_cannot_be_used_do_no_harm(monkeypatch, tmp_path, load):
    file = tmp_path / "a file"
    file.write_text("")
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(file))
    assert load() == 1
    assert load() == 1


def test_the_cache_is_bounded_and_drops_the_oldest(tmp_path):
    store = CodeCache(tmp_path, limit_bytes=1000)
    for number in range(9):
        store.put(f"k{number}", bytes(200))
        os.utime(store.path(f"k{number}"), (number, number))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000 + 300
    assert store.get("k0") is None
    assert store.get("k8") == bytes(200)


def test_the_index_has_the_latest_entry_of_a_kernel(tmp_path):
    store = CodeCache(tmp_path)
    a, b, c = (letter * 64 for letter in "abc")
    store.put("key1", b"code")
    store.add_to_index("key1", [a, b])
    store.add_to_index("key2", [b])
    later = CodeCache(tmp_path)
    assert [later.entry_with(digest) for digest in (a, b, c)] == ["key1", "key2", None]
    assert CodeCache(tmp_path, limit_bytes=0).entry_with(a) is None


def test_an_index_that_is_too_large_to_be_read_begins_anew(tmp_path):
    """As with a cache that is too small for any entry."""
    for number in range(50):
        CodeCache(tmp_path, limit_bytes=1000).add_to_index(f"key{number}", [f"{number:016}"])
        assert (tmp_path / "kernels.index").stat().st_size < 1100
    assert CodeCache(tmp_path).entry_with(f"{49:016}") == "key49"


def test_an_entry_of_a_directory_that_can_only_be_read_is_found(monkeypatch, tmp_path):
    store = CodeCache(tmp_path)
    store.put("key", b"code")

    def fails(path):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", fails)
    assert store.get("key") == b"code"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux lists them")
def test_a_folder_in_place_of_the_index_leaves_no_open_file(tmp_path):
    (tmp_path / "kernels.index").mkdir()
    before = len([*Path("/proc/self/fd").iterdir()])
    assert CodeCache(tmp_path).entry_with("0" * 64) is None
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_foreign_files_whose_names_are_not_unicode_do_no_harm(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"\xff.object")).write_bytes(b"x")
    except OSError:
        pytest.skip("the file system has Unicode names only")
    store = CodeCache(tmp_path)
    store.put("key", b"code")
    assert store.get("key") == b"code"


def test_the_index_shrinks_with_the_entries(tmp_path):
    store = CodeCache(tmp_path, limit_bytes=20_000)
    for number in range(200):
        store.put(f"key{number}", bytes(900))
        store.add_to_index(f"key{number}", [f"{number:016}"])
        os.utime(store.path(f"key{number}"), (number, number))
    assert len((tmp_path / "kernels.index").read_text().splitlines()) < 60
    assert store.entry_with(f"{199:016}") == "key199"
    assert store.entry_with(f"{0:016}") is None


@own_files
def test_an_index_that_others_may_write_to_is_not_read(tmp_path):
    store = CodeCache(tmp_path)
    store.add_to_index("key", ["a" * 64])
    (index,) = tmp_path.iterdir()
    index.chmod(0o666)
    with pytest.warns(UserWarning, match="can be written by other users"):
        assert store.entry_with("a" * 64) is None
    index.unlink()
    index.symlink_to(tmp_path / "elsewhere")
    store.add_to_index("key", ["a" * 64])
    assert not (tmp_path / "elsewhere").exists()


def test_reading_code_takes_memory_for_its_size_not_for_the_limit(tmp_path):
    store = CodeCache(tmp_path, limit_bytes=200_000_000)
    store.put("key", bytes(1_000_000))
    tracemalloc.start()
    try:
        assert store.get("key") == bytes(1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert CodeCache(tmp_path, limit_bytes=999_999).get("key") is None
    assert store.get("key") is not None  # what is too large for one limit is no damage


def test_a_directory_of_many_files_is_looked_through_only_now_and_then(tmp_path, monkeypatch):
    looks, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looks.append(path) or scandir(path))
    store = CodeCache(tmp_path, limit_bytes=100_000)
    for number in range(100):
        store.put(f"k{number}", bytes(300))
    assert len(looks) <= 2
    for number in range(900):
        store.put(f"m{number}", bytes(300))
    assert len(looks) < 100
    monkeypatch.undo()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 100_000 + 400


def test_the_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "own"))
    assert default_directory() == tmp_path / "own"
    monkeypatch.delenv("LAMINA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_directory() == tmp_path / "lamina"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_directory().name == "lamina"


def test_relative_directories_of_the_environment_are_not_the_current_one(monkeypatch, tmp_path):
    monkeypatch.delenv("LAMINA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")  # to be ignored, says the standard
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_directory() == tmp_path / ".cache" / "lamina"
    monkeypatch.setenv("HOME", "")
    assert default_directory().is_absolute()


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    monkeypatch.setattr(cache, "_told", set())


def assert_told_once(load, match):
    with pytest.warns(UserWarning, match=match) as told:
        assert load() == 1
        assert load() == 1
    assert len(told) == 1


@own_files
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_not_trusted(mode, load, directory):
    load()
    directory.chmod(mode)
    assert_told_once(load, "can be written by other users, and is compiled anew")
    directory.chmod(0o755)
    assert load() == 0


@own_files
@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_file_that_others_may_write_to_is_not_trusted(mode, load, directory):
    load()
    entries(directory)[0].chmod(mode)
    with pytest.warns(UserWarning, match="can be written by other users"):
        assert load() == 1
    assert load() == 0  # it was replaced by an own one


@own_files
def test_what_another_user_owns_is_not_trusted(load, directory, monkeypatch):
    load()
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert_told_once(load, f"belongs to user {own}, and is compiled anew")


@own_files
def test_links_and_pipes_are_not_followed(load, directory, tmp_path_factory):
    load()
    (entry,) = entries(directory)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "code"
    entry.rename(elsewhere)
    entry.symlink_to(elsewhere)
    assert load() == 1
    assert not entry.is_symlink()
    entry.unlink()
    os.mkfifo(entry)
    assert load() == 1


@pytest.mark.slow
@own_files
def test_without_a_home_and_a_name(tmp_path):
    program = (
        "import os, pwd\n"
        "def nobody(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = nobody\n"
        "import lamina\n"
        "from lamina import nd\n"
        "from lamina.compiler.llvm.cache import default_directory\n"
        "assert lamina.compile(lambda x: x + 1)(nd.ones((1,))).asscalar() == 2\n"
        "print(default_directory(), len(list(default_directory().iterdir())) > 0)"
    )
    environment = {
        k: v for k, v in os.environ.items() if k not in ("HOME", "LAMINA_CACHE_DIR", "XDG_CACHE_HOME")
    }
    environment["TMPDIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.split() == [str(tmp_path / f"lamina-{os.geteuid()}"), "True"], done.stderr


@pytest.mark.parametrize(
    ("given", "size"),
    [("", 256 << 20), ("1000", 1000), ("2k", 2048), ("1.5M", 3 << 19), ("1 GiB", 1 << 30), ("0", 0)],
)
def test_the_size_follows_the_environment(given, size, monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_SIZE", given)
    assert size_limit() == size


def test_a_size_that_is_none_is_told(monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "much")
    with pytest.warns(UserWarning, match="LAMINA_CACHE_SIZE='much' is not a size"):
        assert size_limit() == 256 << 20


def test_nothing_is_kept_beyond_the_size(load, directory, monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "0")
    assert load() == 1
    assert load() == 1
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "10")
    assert load() == 1
    assert not entries(directory)


def test_what_dead_processes_left_goes_in_time(directory):
    old, new, other = (directory / name for name in ("lamina-aside-1.tmp", "lamina-aside-2.tmp", "other.tmp"))
    for file in (old, new, other):
        file.write_bytes(b"")
    for file in (old, other):
        os.utime(file, (1, 1))
    CodeCache(directory).put("key", b"code")
    assert [file.exists() for file in (old, new, other)] == [False, True, True]


@own_files
def test_a_link_to_the_folder_must_be_the_users_own(load, directory, monkeypatch, tmp_path_factory):
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(directory)
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(link))
    assert load() == 1
    assert load() == 0
    of_another, lstat = os.geteuid() + 1, os.lstat

    def of_another_user(path, **options):
        status = lstat(path, **options)
        return os.stat_result((*status[:4], of_another, *status[5:10])) if str(path) == str(link) else status

    monkeypatch.setattr(os, "lstat", of_another_user)
    assert_told_once(load, f"belongs to user {of_another}")


@pytest.mark.slow
def test_processes_share_a_small_cache(tmp_path):
    """Each writes, reads and makes room, while the others do; what is read is whole."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lamina.compiler.llvm.cache import CodeCache\n"
        "cache = CodeCache(Path(sys.argv[1]), limit_bytes=20_000)\n"
        "for i in range(300):\n"
        "    key = f'k{i * 7 % 40}'\n"
        "    found = cache.get(key)\n"
        "    assert found in (None, key.encode() * 300), len(found)\n"
        "    if found is None:\n"
        "        cache.put(key, key.encode() * 300)\n"
        "        cache.add_to_index(key, [f'{i * 7 % 40:016}'])\n"
        "    assert CodeCache(Path(sys.argv[1])).entry_with(f'{i * 7 % 40:016}') in (None, key)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * 20_000


def test_assembly_can_be_read(directory):
    compiled = jit.load(host_machine(), "key", counting_module)
    assert "define void @step" in compiled.ir()
    assert "step:" in compiled.assembly()


def test_importing_lamina_loads_no_llvm():
    program = "import sys, lamina, lamina.compiler.llvm; print('llvmlite' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_machine_code_that_is_let_go_leaves_no_memory():
    code = jit.compile_object(host_machine(), counting_module().ir())

    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def link(times: int) -> None:
        for _ in range(times):
            assert jit.link(host_machine(), [code], ("step",), {})["step"]

    link(100)
    before = resident_bytes()
    link(1000)
    assert resident_bytes() - before < 3 << 20  # with one linker for all, 9 MB
