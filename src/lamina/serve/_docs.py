"""`/` and `/docs`: a page that shows `/openapi.json`, with a form to try each model.

The page loads only the description: style and script are inline, and the Content-Security-Policy permits no others.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files


def _source(name: str) -> str:
    return (files("lamina.serve") / "page" / name).read_text("utf-8")


@cache
def docs_page() -> bytes:
    """The page."""
    parts = {"{{style}}": _source("docs.css"), "{{script}}": _source("docs.js")}
    page = _source("docs.html")
    for name, text in parts.items():
        page = page.replace(name, text)
    return page.encode()


@cache
def docs_policy() -> dict[str, str]:
    """The page's headers, which permit only the page's own script and style, and requests to this server."""
    script, style = (
        base64.b64encode(hashlib.sha256(_source(name).encode()).digest()).decode()
        for name in ("docs.js", "docs.css")
    )
    policy = (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
