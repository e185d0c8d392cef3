"""Splitting batches and limiting gradients."""

import hashlib
import os
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

import lamina as mx
from lamina import nd
from lamina.errors import ShapeError
from lamina.gluon.utils import check_sha1, clip_global_norm, download, split_and_load, split_data


@pytest.mark.parametrize("axis", [0, 1])
def test_split_is_numpys(axis: int) -> None:
    data = np.arange(48).reshape(6, 8)
    parts = split_data(nd.array(data), 2, batch_axis=axis)
    for part, wanted in zip(parts, np.split(data, 2, axis), strict=True):
        np.testing.assert_array_equal(part.asnumpy(), wanted)


def test_uneven_splits_lose_nothing() -> None:
    data = np.arange(11)
    parts = split_data(nd.array(data), 4, even_split=False)
    np.testing.assert_array_equal(np.concatenate([p.asnumpy() for p in parts]), data)
    assert [len(p) for p in parts] == [len(p) for p in np.array_split(data, 4)] == [3, 3, 3, 2]
    assert [len(p) for p in split_data(nd.array(data[:2]), 3, even_split=False)] == [1, 1, 0]
    with pytest.raises(ShapeError, match=r"11 samples .* not divisible into 4"):
        split_data(nd.array(data), 4)


def test_split_and_load() -> None:
    x = nd.ones((4, 2))
    assert split_and_load(x, [mx.cpu()])[0] is x
    first, second = split_and_load(np.ones((4, 2)), [mx.cpu(0), mx.cpu(1)])
    assert (first.context, second.context) == (mx.cpu(0), mx.cpu(1))
    assert first.shape == second.shape == (2, 2)


def test_clip_global_norm_scales_all_arrays_together() -> None:
    values = [np.random.default_rng(0).normal(size=s) for s in [(3, 4), (5,), (1,)]]
    norm = np.linalg.norm(np.concatenate([v.ravel() for v in values]))
    arrays = [nd.array(v) for v in values]
    assert clip_global_norm(arrays, 1.0) == pytest.approx(norm, rel=1e-6)
    for array, value in zip(arrays, values, strict=True):
        np.testing.assert_allclose(array.asnumpy(), value / norm, rtol=1e-5)


def test_a_small_norm_is_left_alone() -> None:
    x = nd.array([0.3, 0.4], dtype=np.float64)
    norm = clip_global_norm([x], 1.0, check_isfinite=False)
    assert norm.shape == (1,)
    assert x.asnumpy().tolist() == [0.3, 0.4]


def test_a_norm_that_is_not_finite_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="not finite"):
        clip_global_norm([nd.array([np.nan])], 1.0)
    with pytest.raises(ShapeError, match="no arrays"):
        clip_global_norm([], 1.0)


@pytest.mark.compiles
def test_clipping_compiles() -> None:
    x = nd.array([3.0, 4.0])

    @mx.compile
    def step(limit: float) -> nd.NDArray:
        return clip_global_norm([x], limit)

    assert float(step(1.0).asscalar()) == 5.0
    np.testing.assert_allclose(x.asnumpy(), [0.6, 0.8], rtol=1e-6)


def test_small_helpers(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert check_sha1(path, "a9993e364706816aba3e25717850c26c9cd0d89d")
    assert not check_sha1(path, "0" * 40)


class _Answers(BaseHTTPRequestHandler):
    """A server of a file whose text is the number of requests; the first request fails."""

    count = 0

    def do_GET(self) -> None:
        type(self).count += 1
        self.send_response(200 if self.count > 1 else 503)
        self.end_headers()
        self.wfile.write(str(self.count).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    _Answers.count = 0
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/data.csv"
        server.shutdown()


def test_download(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where MXNet writes the file, when it downloads again, and that a failure is tried again, follow MXNet 1.9.1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    with pytest.raises(OSError, match="503"):
        download(address, retries=0)
    assert not list(tmp_path.iterdir())
    assert download(address) == "data.csv" == download(address)
    assert Path("data.csv").read_text() == "2"
    Path("folder").mkdir()
    assert download(address, "folder") == os.path.join("folder", "data.csv")
    assert download(address, "new/other.csv") == "new/other.csv"
    assert Path("new/other.csv").read_text() == "4"
    assert download(address, overwrite=True) == "data.csv" and Path("data.csv").read_text() == "5"
    wanted = hashlib.sha1(b"6").hexdigest()
    assert (
        download(address, "data.csv", sha1_hash=wanted) == "data.csv" == download(address, sha1_hash=wanted)
    )
    assert Path("data.csv").read_text() == "6"
    with pytest.raises(ValueError, match="hash"):
        download(address, sha1_hash="0" * 40, retries=0)
    assert Path("data.csv").read_text() == "6"


def test_download_of_test_utils(address: str, tmp_path: Path) -> None:
    _Answers.count = 1
    path = mx.test_utils.download(address, dirname=str(tmp_path / "some"))
    assert path == str(tmp_path / "some" / "data.csv") and Path(path).read_text() == "2"
    assert mx.test_utils.download(address, fname="x.csv", dirname=str(tmp_path)) == str(tmp_path / "x.csv")
