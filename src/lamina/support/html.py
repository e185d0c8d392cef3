"""Parts of HTML pages: filled templates, and policies that allow only the page's own script and style."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Replace each {{name}} in a template once; inserted text is not expanded again.

    >>> filled("<p>{{a}}{{b}}</p>", {"a": "{{b}}", "b": "!"})
    '<p>{{b}}!</p>'
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def content_policy(script: str, style: str, *more: str) -> str:
    """The content security policy of a page that runs only this script and this style, and loads or sends nothing.

    `more`: further directives, such as "connect-src 'self'".
    """
    digests = (hashlib.sha256(text.encode()).digest() for text in (script, style))
    script_hash, style_hash = (f"'sha256-{base64.b64encode(one).decode()}'" for one in digests)
    own = f"default-src 'none'; script-src {script_hash}; style-src {style_hash}; base-uri 'none'; form-action 'none'"
    return "; ".join([own, *more, "require-trusted-types-for 'script'", "trusted-types 'none'"])
