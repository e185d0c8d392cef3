"""URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from lamina.table.types.fields import Field, Fields
from lamina.table.types.reading import Elements, Source
from lamina.table.values import lazily

_URL = lazily(r"(?:(?i:https?|ftps?|s3|gs|file|wss?)://|(?i:www)\.)[^\s/?#]\S*")
_SCHEME = r"[hH][tT][tT][pP][sS]?|[fF][tT][pP][sS]?|[sS]3|[gG][sS]|[fF][iI][lL][eE]|[wW][sS][sS]?"
_HOST = (
    r"(?:[^\s/?#\[\]]*@)?(?:[wW]{3}\.)?"
    r"(?P<host>(?:[^\s/?#@:%\[\]]*\.)?(?P<top>[^\s/?#@:%\[\].]*))(?::[^\s/?#@\[\]]*)?"
)
_PAIR = r"[^\s#%+&=]+(?:=[^\s#&]*)?"
_REST = (
    r"(?:(?=(?:[^\s?#]*/)[^\s/?#]*\.(?P<extension>[A-Za-z]\w{0,7})/*(?:[?#]|$))|)"
    r"(?P<path>(?:/+(?P<first_name>[^\s/?#]+))?(?:/[^\s?#]*)?)"
    rf"(?:\?(?P<query>(?:&*{_PAIR}(?:&+{_PAIR})*)?&*))?(?:#\S*)?"
)
_EXTENSION = lazily(r"\.([A-Za-z]\w{0,7})$")


class Url(Fields):
    """URLs, with a part for each component.

    The fields are scheme, host, the host's last label, the path's first name, depth and extension, and the query's
    names.

    >>> Url().read("https://www.lamina.org/docs/a.html?q=1&lang=en")["query"], Url().read("lamina")
    ('lang&q', None)
    """

    tag = "url"
    kind = "URL"
    plural = "URLs"
    sample = "https://example.com/path/page.html?id=1"
    fields = ("scheme", "host", "top-level domain", "path depth", "first name", "extension", "query")

    patterns = (
        lazily(rf"(?P<scheme>{_SCHEME})://(?=[^/?#]){_HOST}{_REST}"),
        lazily(rf"(?=[wW]{{3}}\.[^\s/?#:][^:]*$){_HOST}{_REST}"),
    )
    sources: ClassVar[Mapping[str, Source]] = {
        "scheme": Source(group="scheme", lower=True),
        "host": Source(group="host", lower=True),
        "top-level domain": Source(group="top", lower=True),
        "path depth": Source("count", "path"),
        "extension": Source(group="extension", lower=True),
        "query": Source("set", "query"),
    }
    elements: ClassVar[Mapping[str, Elements]] = {"path": Elements("/"), "query": Elements("&", until="=")}
    unsure = _URL

    def looks_like(self, text: str) -> bool:
        return _URL.fullmatch(text.strip()) is not None

    def read(self, text: str) -> Mapping[str, Field] | None:
        text = text.strip()
        if _URL.fullmatch(text) is None:
            return None
        try:
            found = urlsplit(text if "://" in text else f"//{text}")
            host = (found.hostname or "").removeprefix("www.")
        except ValueError:  # an invalid IPv6 address in brackets
            return None
        names = [name for name in found.path.split("/") if name]
        extension = _EXTENSION.search(names[-1]) if names else None
        query = sorted({name for name, _ in parse_qsl(found.query, keep_blank_values=True)})
        return {
            "scheme": found.scheme,
            "host": host,
            "top-level domain": host.rpartition(".")[2],
            "path depth": float(len(names)),
            "first name": names[0] if names else "",
            "extension": extension[1].lower() if extension else "",
            "query": "&".join(query),
        }
