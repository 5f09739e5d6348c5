"""What of foreign HTML may reach a browser: structure and words, nothing that acts or loads.

Two passes with the same parser that browsers use (html5ever, through nh3).
The first takes everything away that is not on the list. The second runs over
what we wrote ourselves, so that a mistake of ours is caught by the same list.

Refused: images, even local ones (an address tells somebody that it was
opened); `id`, `class`, `style` and `data-` of the document's own, with which
it could dress up as the page around it; and relative links, which would lead
into the server.
"""

from __future__ import annotations

from typing import Final

import nh3

_TAGS: Final = frozenset(
    """a abbr b blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4
    h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th
    thead tr u ul var wbr""".split()
)
_REMOVED_WITH_CONTENT: Final = frozenset(
    """audio canvas embed frame frameset head iframe math noembed noframes noscript object picture plaintext
    script select source style svg template textarea title track video xmp""".split()
)
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "img": {"alt"},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
}
_OWN_ATTRIBUTES: Final[dict[str, set[str]]] = {
    **{tag: names for tag, names in _ATTRIBUTES.items() if tag != "img"},
    "a": {"href", "title", "target"},
    "button": {"class", "type", "title", "aria-label", "data-number", "data-citation"},
    "div": {"class", "tabindex", "role"},
    "mark": {"class", "id", "data-number"},
    "p": {"class"},
    "span": {"class", "id", "title", "aria-label", "role", "data-claim"},
}
_SCHEMES: Final = {"http", "https", "mailto"}
_RELATION: Final = "noopener noreferrer nofollow"


def without_anything_active(html: str) -> str:
    """Foreign HTML with nothing but structure, words, links to the web, and the `alt` of images."""
    return nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags=set(_REMOVED_WITH_CONTENT),
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        url_relative="deny",
        link_rel=_RELATION,
    )


def checked(html: str) -> str:
    """HTML that we made of such, with our own classes, marks and buttons; images are gone now."""
    return nh3.clean(
        html,
        tags=set(_TAGS - {"img"}) | {"button"},
        clean_content_tags=set(_REMOVED_WITH_CONTENT),
        attributes=_OWN_ATTRIBUTES,
        url_schemes=_SCHEMES,
        url_relative="deny",
        link_rel=_RELATION,
    )
