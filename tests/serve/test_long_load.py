"""A minute under load, and an hour by hand (LAMINA_LOAD_SECONDS=3600): no answer lost or wrong, memory level.

64 clients ask two workers without a pause, eight send their bodies in pieces, the model is exchanged every few seconds,
and SIGTERM ends it all. `pytest -rP` shows the figures.
"""

import http.client
import json
import os
import shutil
import statistics
import threading
import time
from collections import Counter
from contextlib import closing

import pytest
from serving import PATIENCE, RUNS, clients

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
            with closing(
                http.client.HTTPConnection(self.server.host, self.server.port, timeout=PATIENCE)
            ) as slow:
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


def counted(one, name):
    """The values of a metric, of all workers together or of each."""
    lines = one.ask("/metrics").content.decode().splitlines()
    return [float(line.split()[-1]) for line in lines if line.startswith(name)]


def swap_to(name, run, one, number):
    """Put another run's model in the place of this one's, and wait until both workers have taken the `number`th."""
    shutil.copy(RUNS[name] / "model.safetensors", run / "new")
    os.replace(run / "new", run / "model.safetensors")
    loaded = 'lamina_model_loads_total{model="m",result="loaded"}'
    one.wait_for(lambda: counted(one, loaded) == [2 * number], PATIENCE)


@pytest.mark.slow
def test_no_answer_is_lost_or_wrong_and_memory_stays_level(serving, run_copy):
    run, other = run_copy("prices"), run_copy("prices", "other")
    shutil.copy(RUNS["kinds"] / "model.safetensors", other / "model.safetensors")
    models = (f"m={run}", f"a={RUNS['prices']}", f"b={other}")
    one = serving(*models, "--workers", 2, "--look", 0.05, "--timeout", PATIENCE)
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
        swap_to(("kinds", "prices")[len(sizes) % 2], run, one, len(sizes) + 1)
        time.sleep(2)
        sizes.append(counted(one, "process_resident_memory_bytes"))
    for client in slow:
        client.ending.set()
    code, error = one.end()
    for client in (*busy, *slow):
        client.join(PATIENCE)
        assert not client.is_alive()
    answers = [answer for client in (*busy, *slow) for answer in client.found]
    lost = [client.lost for client in (*busy, *slow) if client.lost]
    measured = [sum(both) for both in sizes if len(both) == 2]
    counts = Counter(status for status, _ in answers)
    print(f"answers by status: {dict(counts)}; lost: {lost}; swaps: {len(sizes)}")
    print(
        f"MB of both workers: {[round(size / 1e6, 1) for size in measured[:: max(1, len(measured) // 30)]]}"
    )
    assert code == 0
    assert error.endswith("lamina: ended; all requests under way were answered\n")
    assert lost == []
    for client in busy:
        refused = [i for i, (status, _) in enumerate(client.found) if status == 503]
        assert set(refused) <= set(client.closed)
    contents = {content for status, content in answers if status == 200}
    assert set(counts) <= {200, 503}
    assert all(len([status for status, _ in client.found if status == 200]) > SECONDS / 10 for client in slow)
    versions = {"a": set(), "b": set()}
    for answer in map(json.loads, contents):
        name = next(name for name, one in right.items() if one["predictions"] == answer["predictions"])
        versions[name].add(answer["version"])
    assert versions["a"] and versions["b"] and not versions["a"] & versions["b"]
    assert len(sizes) > SECONDS / 60
    early, late = (measured[len(measured) * i // 3 : len(measured) * (i + 1) // 3] for i in (1, 2))
    assert statistics.median(late) < 1.03 * statistics.median(early)
