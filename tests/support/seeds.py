"""Random programs by seeds: for some seconds, or as many as `LAMINA_FUZZ_PROGRAMS` says, from `LAMINA_FUZZ_SEED` on."""

import os
import time
from collections.abc import Callable

__all__ = ["run_seeds"]

MOST_FAILURES = 10


def run_seeds(run: Callable[[int], None], seconds: float) -> None:
    """Run seed after seed; raise `AssertionError` with what the failed ones say."""
    first, wanted = int(os.environ.get("LAMINA_FUZZ_SEED", "0")), os.environ.get("LAMINA_FUZZ_PROGRAMS")
    end = time.monotonic() + seconds
    seed, failures = first, []
    while seed < first + int(wanted) if wanted else time.monotonic() < end:
        try:
            run(seed)
        except AssertionError as error:
            failures.append(f"{error}")
            if len(failures) == MOST_FAILURES:
                break
        seed += 1
    assert not failures, "\n\n".join([*failures, f"{len(failures)} of {seed - first} programs failed"])
