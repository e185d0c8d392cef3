"""The tables of a page, as text."""

from html.parser import HTMLParser


class Tables(HTMLParser):
    """The cells of all tables of a page."""

    def __init__(self, page):
        super().__init__()
        self.tables, self._cell = [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._cell = True

    def handle_endtag(self, tag):
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self._cell:
            self.tables[-1][-1][-1] += data
