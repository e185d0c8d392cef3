"""A search from the command line: `lamina tune`, or `lamina train` with a time limit, trials or preset "best".

The time limit counts from the command's start.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lamina.cli import _run_views as views
from lamina.cli._clock import since_start
from lamina.cli._console import say
from lamina.errors import LaminaError
from lamina.estimators.settings import DECLARED, OPTIONS

if TYPE_CHECKING:
    from lamina.cli._train_options import Shown
    from lamina.runs.data import Prepared, Request
    from lamina.training.run_folder import RunFolder

TUNED = ("time_limit", "trials")
"""Options that may increase when a search is resumed."""

_NOT_WITH = {
    "stream": "it compares networks on a table in memory",
    **{OPTIONS[name].name: about.not_in_search for name, about in DECLARED.items() if name in OPTIONS},
}


def require_search(chosen: Mapping[str, Any], jobs: int | None, *, resumes: bool) -> None:
    """Raise `LaminaError` for options that need a search, or that can't be combined with a search.

    `jobs` is the number of parallel trials. `resumes`: whether a run is resumed, which may itself be a search.
    """
    searches = chosen.get("preset") == "best" or any(name in chosen for name in TUNED)
    if jobs == 0:
        raise LaminaError(
            "--jobs 0: must be the number of networks trained in parallel, or -1 for one per core"
        )
    if jobs is not None and not searches and not resumes:
        raise LaminaError(f"--jobs {jobs} is only for a search; add --time-limit, --trials or --preset best")
    if not searches:
        return
    said = next((f"--{name.replace('_', '-')}" for name in TUNED if name in chosen), "--preset best")
    for name, why in _NOT_WITH.items():
        if why and name in chosen:
            raise LaminaError(f"--{name} can't be combined with {said}, which searches many networks: {why}")
    if chosen.get("preset", "best") not in ("best", "default"):
        raise LaminaError(
            f"--preset {chosen['preset']} can't be combined with {said}: a search tries all presets; leave one of "
            "them out"
        )


def run_search(
    folder: RunFolder,
    request: Request,
    prepared: Prepared,
    shown: Shown,
    *,
    device: str,
    jobs: int | None,
    live: bool,
) -> int:
    """Run a search, and write the run's folder; return the exit code.

    `jobs` is the number of parallel trials. `live`: whether to show a table of trials.
    """
    from lamina.cli._search_display import SearchDisplay
    from lamina.runs import search
    from lamina.runs.search import Closing
    from lamina.training.display import telling

    quiet = shown.quiet
    if shown.tables:
        views.show_prepared(prepared, request.monotone)
    with telling(None if quiet else sys.stderr) as tell:
        tell("measuring the baselines")
        baselines = search.baselines(prepared, request)
        limit = request.time_limit
        closing = None if limit is None else Closing(prepared, limit, since_start)
    search.begin(folder, request)
    display = [] if quiet else [SearchDisplay(request, since_start, live=live, as_json=shown.as_json)]
    trained = search.search(
        prepared, request, folder, display, closing, since_start, device=device, n_jobs=jobs
    )
    if trained.interrupted:
        say("lamina: interrupted; keeping the best so far", error=True)
    if not trained.history and not quiet:
        say(
            "lamina: warning: the time was over before anything was learned; give a longer --time-limit",
            error=True,
        )
    return views.finish(prepared, trained, request, folder, shown, baselines, closing)
