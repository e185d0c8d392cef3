"""A minute under load, and an hour by hand (LAMINA_LOAD_SECONDS=3600): no answer lost or wrong, memory level.

64 clients ask two workers without a pause, eight send their bodies in pieces, the model is exchanged each two seconds,
and SIGTERM ends it all.
"""

import http.client
import json
import os
import shutil
import statistics
import threading
import time
from contextlib import closing

import pytest
from serving import RUNS, clients

SECONDS = float(os.environ.get("LAMINA_LOAD_SECONDS", "60"))
ROW = {"x": 1.0, "gap": 2, "color": "red", "city": "city 4", "member": "yes"}
BODY = json.dumps({"rows": [ROW]}).encode()


class SlowClient(threading.Thread):
    """Sends each request in pieces on a connection of its own, and reads late, until the end has begun.

    Attributes:
        found: status and content of each answer.
        lost: what failed, but for a request that began after the end had.
    """

    def __init__(self, server, model):
        super().__init__(daemon=True)
        self.server, self.model, self.ending = server, model, threading.Event()
        self.found, self.lost = [], []

    def run(self):
        late = False
        while not late:
            late = self.ending.is_set()
            with closing(http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)) as slow:
                try:
                    self.ask(slow)
                except (OSError, http.client.HTTPException) as error:
                    self.lost += [] if late else [error]

    def ask(self, connection):
        connection.putrequest("POST", f"/v1/models/{self.model}/predict")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(BODY)))
        connection.endheaders()
        for i in range(0, len(BODY), 10):
            connection.send(BODY[i : i + 10])
            time.sleep(0.1)
        response = connection.getresponse()
        time.sleep(0.1)
        self.found.append((response.status, response.read()))


def resident_bytes(one):
    """The memory of all workers."""
    lines = one.ask("/metrics").content.decode().splitlines()
    sizes = [float(line.split()[-1]) for line in lines if line.startswith("process_resident_memory_bytes")]
    return sum(sizes) if len(sizes) == 2 else None


@pytest.mark.slow
def test_no_answer_is_lost_or_wrong_and_memory_stays_level(serving, run_copy):
    run, other = run_copy("prices"), run_copy("prices", "other")
    shutil.copy(RUNS["kinds"] / "model.safetensors", other / "model.safetensors")
    one = serving(f"m={run}", f"a={RUNS['prices']}", f"b={other}", "--workers", 2, "--look", 0.05)
    right = {name: one.predict(name, BODY).json for name in ("a", "b")}
    assert right["a"]["predictions"] != right["b"]["predictions"]
    known = {}

    def keeps_one_of_each(client):  # so that an hour's answers fit into memory
        client.found[-1:] = [known.setdefault(answer, answer) for answer in client.found[-1:]]
        return False

    busy = clients(64, one, "m", BODY, keeps_one_of_each)
    slow = [SlowClient(one, "m") for _ in range(8)]
    for client in slow:
        client.start()
    sizes, begin = [], time.monotonic()
    while time.monotonic() < begin + SECONDS:
        source = (RUNS["kinds"], RUNS["prices"])[len(sizes) % 2]
        shutil.copy(source / "model.safetensors", run / "new")
        os.replace(run / "new", run / "model.safetensors")
        time.sleep(2)
        sizes.append(resident_bytes(one))
    for client in slow:
        client.ending.set()
    code, error = one.end()
    for client in (*busy, *slow):
        client.join(60)
        assert not client.is_alive()
    assert code == 0
    assert error.endswith("lamina: ended; all requests under way were answered\n")
    assert [client.lost for client in (*busy, *slow) if client.lost] == []
    for client in busy:
        refused = [i for i, (status, _) in enumerate(client.found) if status == 503]
        assert set(refused) <= set(client.closed)
    answers = [answer for client in (*busy, *slow) for answer in client.found]
    contents = {content for status, content in answers if status == 200}
    assert {status for status, _ in answers} <= {200, 503}
    assert all(len([status for status, _ in client.found if status == 200]) > SECONDS / 10 for client in slow)
    versions = {"a": set(), "b": set()}
    for answer in map(json.loads, contents):
        name = next(name for name, one in right.items() if one["predictions"] == answer["predictions"])
        versions[name].add(answer["version"])
    assert versions["a"] and versions["b"] and not versions["a"] & versions["b"]
    assert error.count(": now version ") > SECONDS / 4
    measured = [size for size in sizes if size is not None]
    early, late = (measured[len(measured) * i // 3 : len(measured) * (i + 1) // 3] for i in (1, 2))
    assert statistics.median(late) < 1.03 * statistics.median(early)
