"""What a browser would make of a fragment: its text, its marks, and anything in it that acts or loads."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

TAGS = {
    *"a b blockquote br button caption cite code dd del details dfn div dl dt em figcaption figure".split(),
    *"h1 h2 h3 h4 h5 h6 hr i ins kbd li mark ol p pre q s samp section small span strong sub summary".split(),
    *"sup table tbody td tfoot th thead tr u ul var wbr abbr".split(),
}
ATTRIBUTES = {
    *"class id title role tabindex align start colspan rowspan scope type href rel target".split(),
    *"aria-label aria-hidden data-number data-label data-depth data-citation data-claim".split(),
}
VOID = {"br", "hr", "wbr"}


class Seen(HTMLParser):
    """Reads a fragment and fails on anything that is not on the lists above, or not closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.marked: dict[int, list[int]] = {}
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.spans: dict[str, str] = {}
        self._numbers: list[list[int]] = []
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, f"<{tag}>"
        values = {name: value or "" for name, value in attrs}
        assert set(values) <= ATTRIBUTES, f"<{tag} {values}>"
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append((tag, values.get("class", "")))
        if values.get("id"):
            assert values["id"].startswith("cite-")
            self.ids.append(values["id"])
        if "href" in values:
            assert urlsplit(values["href"]).scheme in ("http", "https", "mailto")
            assert values["rel"] == "noopener noreferrer nofollow"
            self.links.append(values["href"])
        if tag == "mark":
            self._numbers.append([int(number) for number in values["data-number"].split()])

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag
        if tag == "mark":
            self._numbers.pop()

    def handle_data(self, data: str) -> None:
        for number in self._numbers[-1] if self._numbers else ():
            self.marked.setdefault(number, []).extend(range(len(self.text), len(self.text) + len(data)))
        for _, name in self._open:
            if name:
                self.spans[name] = self.spans.get(name, "") + data
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data!r}")

    def marked_text(self, number: int) -> str:
        """The characters in the `<mark>`s of this number."""
        return "".join(self.text[place] for place in self.marked.get(number, []))
