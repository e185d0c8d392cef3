"""A real server in a process of its own, and what asks it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
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
    """``lamina serve`` in a process of its own, at a free port."""

    def __init__(self, *arguments, environment=None):
        command = [sys.executable, "-m", "lamina", "serve", *map(str, arguments), "--port", "0"]
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
