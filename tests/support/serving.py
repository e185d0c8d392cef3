"""A real server in a process of its own, and what asks it."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RUNS = {
    "prices": ROOT / "runs/files/regression",
    "kinds": ROOT / "runs/files/classification",
    "digits": ROOT / "training/files/digits-finished",
}
"""A regression and a classification of one table, and MNIST: runs of the first versions, that are small."""


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    content: bytes

    @property
    def json(self):
        return json.loads(self.content)

    @property
    def message(self):
        return self.json["error"]["message"]


class Server:
    """``lamina serve`` in a process of its own, at a free port, started by the command `under` if one is given."""

    def __init__(self, *arguments, environment=None, under=()):
        command = [*under, sys.executable, "-m", "lamina", "serve", *map(str, arguments), "--port", "0"]
        if "--access-log" not in arguments:
            command += ["--access-log", "off"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **(environment or {})},
        )  # fmt: skip
        self.shown = []
        for line in self.process.stdout:
            self.shown.append(line.rstrip())
            if found := re.search(r"at http://([\d.]+):(\d+)", line):
                self.host, self.port = found[1], int(found[2])
                break
        else:
            raise AssertionError(self.process.communicate()[1])
        self.address = f"http://{self.host}:{self.port}"

    def ask(self, path, body=None, content_type="application/json", **headers):
        """An answer, whatever its status; a body that is not bytes is sent as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and content_type is not None:
            headers["Content-Type"] = content_type
        request = urllib.request.Request(self.address + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def predict(self, model, body, content_type="application/json", **headers):
        return self.ask(f"/v1/models/{model}/predict", body, content_type, **headers)

    def predictions(self, model, body, content_type="application/json"):
        answer = self.predict(model, body, content_type)
        assert answer.status == 200, answer.content
        return answer.json["predictions"]

    def wait_for(self, holds, seconds=30):
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.02)

    def end(self, how=signal.SIGTERM):
        """End it; its exit code and what it wrote to standard error."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        _, error = self.process.communicate(timeout=60)
        return self.process.returncode, error


class Client(threading.Thread):
    """Asks for the same prediction on one connection after the other, until a request fails or `until` holds.

    Attributes:
        found: status and content of each answer.
        closed: the places in `found` of answers after which the server closed the connection, as it had said.
        lost: what failed on a connection that was to stay open. After an answer that closes a connection, a client may
            come back too late: nothing that a new connection is left without is lost.
    """

    def __init__(
        self, server: Server, model: str, body: bytes, until: Callable[["Client"], bool], pause: float = 0.0
    ) -> None:
        super().__init__(daemon=True)
        self.server, self.until, self.pause = server, until, pause
        self.asked = f"/v1/models/{model}/predict", body, {"Content-Type": "application/json"}
        self.found: list[tuple[int, bytes]] = []
        self.closed: list[int] = []
        self.lost: list[Exception] = []

    def run(self) -> None:
        with closing(
            http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        ) as connection:
            while not self.until(self) and self._asked(connection):
                time.sleep(self.pause)

    def _asked(self, connection: http.client.HTTPConnection) -> bool:
        is_new = connection.sock is None
        try:
            connection.request("POST", *self.asked)
            response = connection.getresponse()
            self.found.append((response.status, response.read()))
            if connection.sock is None:
                self.closed.append(len(self.found) - 1)
        except (OSError, http.client.HTTPException) as error:
            if not (is_new and self.closed):
                self.lost.append(error)
            return False
        return True


def clients(number: int, *how: Any) -> list[Client]:
    """So many that have begun."""
    begun = [Client(*how) for _ in range(number)]
    for one in begun:
        one.start()
    return begun
