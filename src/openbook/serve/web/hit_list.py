"""Hits as HTML: the place, the text with its matching words marked, and on request why it is there.

The text of documents is escaped here, character for character, and never read
as HTML. One string for the whole list, because a list that changes with every
key is drawn in a tenth of the time that single elements take.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final

from openbook.serve.desk import Desk
from openbook.serve.web.layout import link
from openbook.snippets import highlights, place_name, snippet
from openbook.types import Hit, Hits
from openbook.wording import one_line

_BARS: Final = re.compile(r"\s*(?:\|[\s:-]*)+\s*")

SHOWN: Final = 420
"""Characters of a hit's text in the list."""


def hits_html(desk: Desk, hits: Hits, *, explain: bool = False) -> str:
    """The list of hits, each linking to its exact place. Safe to be put into a page as it is."""
    best = max((hit.score for hit in hits), default=0.0)
    items = "".join(_item(desk, hit, best, explain=explain) for hit in hits)
    return f'<ol class="ob-hits">{items}</ol>'


def marked(text: str, words: tuple[str, ...]) -> str:
    """The text as HTML, its occurrences of `words` in `<mark>`."""
    parts: list[str] = []
    position = 0
    for start, end in highlights(text, words):
        if start < position:
            continue
        parts.append(f"{escape(text[position:start])}<mark>{escape(text[start:end])}</mark>")
        position = end
    parts.append(escape(text[position:]))
    return "".join(parts)


def _item(desk: Desk, hit: Hit, best: float, *, explain: bool) -> str:
    address = link(desk, f"/documents/{hit.document_id}", start=hit.start, end=hit.end)
    spot = place_name("", hit.place, hit.heading, hit.page).removeprefix(", ")
    title = one_line(hit.title)
    told = (hit.path, one_line(hit.heading), one_line(spot))
    named = f'<span class="ob-hit__title">{escape(title)}</span>' if title and title not in told else ""
    copies = "".join(
        f'<li><a href="{escape(link(desk, f"/documents/{at.document_id}", start=at.start, end=at.end))}">'
        f"{escape(place_name(at.path, at.place, '', at.page))}</a></li>"
        for at in hit.locations
    )
    return (
        f'<li class="ob-hit"><a class="ob-hit__link" href="{escape(address)}">'
        f'<span class="ob-hit__path">{escape(one_line(hit.path))}</span>'
        f'<span class="ob-hit__spot">{escape(spot)}</span>{named}</a>'
        f'<p class="ob-hit__text">{marked(excerpt(hit.text, hit.matched), hit.matched)}</p>'
        + (f'<ul class="ob-hit__copies ob-small">Also in {copies}</ul>' if copies else "")
        + (why_html(hit, best) if explain else "")
        + "</li>"
    )


def excerpt(text: str, words: tuple[str, ...], *, limit: int = SHOWN) -> str:
    """The part of a text that is shown in a list; the bars of a table are points there."""
    text = snippet(text, words, limit=limit)
    return _BARS.sub(" · ", text) if text.count("|") >= 3 else text


def why_html(hit: Hit, best: float) -> str:
    """The parts of a score as small bars: the share of each leg, its own score and its rank."""
    rows = [
        _row(
            "Meaning",
            hit.explanation.get("cosine", 0.0),
            best,
            _leg("cosine", hit.scores.vector, hit.ranks.vector),
        ),
        _row(
            "Words",
            hit.explanation.get("words", 0.0),
            best,
            _leg("BM25", hit.scores.lexical, hit.ranks.lexical),
        ),
        _row("Score", hit.score, best, ""),
    ]
    words = f"<dt>Matched</dt><dd>{escape(', '.join(map(one_line, hit.matched)))}</dd>" if hit.matched else ""
    return f'<dl class="ob-why ob-small">{"".join(rows)}{words}</dl>'


def _row(name: str, value: float, best: float, detail: str) -> str:
    share = max(0.0, min(1.0, value / best)) if best > 0 else 0.0
    return (
        f'<dt>{name}</dt><dd><span class="ob-why__bar" style="--share: {share:.3f}"></span>'
        f'<span class="ob-numbers">{value:.3f}</span><span class="ob-muted">{escape(detail)}</span></dd>'
    )


def _leg(measure: str, score: float | None, rank: int | None) -> str:
    if score is None:
        return "not searched"
    return f"{measure} {score:.3f}, {'not among its candidates' if rank is None else f'rank {rank}'}"
