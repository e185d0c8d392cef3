"""Downloads from a real server on this machine: cache, mirrors, wrong content, cut connections, no server."""

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from lamina.errors import DataUnavailableError
from lamina.support.datasets._downloaded import fetched

CONTENT = {"images.gz": os.urandom(300_000), "labels.gz": os.urandom(50)}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
REQUESTS: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """/good/ serves CONTENT, /wrong/ other bytes, /cut/ stops in the middle, anything else is 404."""

    def do_GET(self) -> None:
        REQUESTS.append(self.path)
        _, kind, name = self.path.split("/")
        content = CONTENT.get(name)
        if content is None or kind not in ("good", "wrong", "cut"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write({"good": content, "wrong": content[::-1], "cut": content[: len(content) // 2]}[kind])

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    REQUESTS.clear()


def test_download_then_cache(server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pooch.get_logger().addHandler(caplog.handler)
    for _ in range(2):
        paths = fetched(SUMS, [f"{server}/good/"], tmp_path / "cache")
        assert {name: path.read_bytes() for name, path in paths.items()} == CONTENT
    assert REQUESTS == ["/good/images.gz", "/good/labels.gz"]
    assert sorted(os.listdir(tmp_path / "cache")) == sorted(CONTENT)
    pooch.get_logger().removeHandler(caplog.handler)
    assert [message for message in caplog.messages if "/good/images.gz" in message]


@pytest.mark.parametrize("first", ["missing", "wrong", "cut"])
def test_the_second_mirror_serves_when_the_first_fails(server: str, tmp_path: Path, first: str) -> None:
    paths = fetched(SUMS, [f"{server}/{first}/", f"{server}/good/"], tmp_path / "cache")
    assert {name: path.read_bytes() for name, path in paths.items()} == CONTENT
    assert sorted(os.listdir(tmp_path / "cache")) == sorted(CONTENT)
    assert len(REQUESTS) == 4


@pytest.mark.parametrize("kind", ["wrong", "cut"])
def test_a_wrong_checksum_leaves_nothing_behind(server: str, tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataUnavailableError, match=r"/images\.gz: "):
        fetched(SUMS, [f"{server}/{kind}/"], tmp_path / "cache")
    assert os.listdir(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(server: str, tmp_path: Path) -> None:
    (tmp_path / "labels.gz").write_bytes(b"damaged")
    paths = fetched(SUMS, [f"{server}/good/"], tmp_path)
    assert paths["labels.gz"].read_bytes() == CONTENT["labels.gz"]


def test_offline_says_which_files_go_where(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens
        mirror = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(DataUnavailableError) as caught:
            fetched(SUMS, [mirror], tmp_path / "cache")
    message = str(caught.value)
    assert message.startswith("the data set is not on this machine and could not be downloaded")
    assert (
        f"Put images.gz, labels.gz into {tmp_path / 'cache'}, or into a folder and pass root=FOLDER"
        in message
    )
    assert "\n" not in message
    assert os.listdir(tmp_path) == []


def test_files_put_into_the_cache_by_hand_need_no_server(tmp_path: Path) -> None:
    for name, content in CONTENT.items():
        (tmp_path / name).write_bytes(content)
    paths = fetched(SUMS, ["http://127.0.0.1:9/"], tmp_path)
    assert paths == {name: tmp_path / name for name in CONTENT}
