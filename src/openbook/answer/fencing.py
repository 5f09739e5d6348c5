"""Text of documents, made safe to show to a language model, and fenced.

Whoever writes a document must not be able to speak to the model through it. So
what people cannot see does not reach the model; strings that tokenizers turn
into control tokens are broken up; what looks like a citation or the beginning
of a turn is changed visibly; and each piece stands between two lines with a
code that is drawn for each request, which no document can know or hold.

What the model reads is therefore not always verbatim: "[3]" of a document
reads "(3)" (or "[ 3 ]" right behind a word, where it may be program code).
Quotes are not affected, for they are always taken from the document itself.

Refused: a list of dangerous phrases (there is always another one), a mark in
front of every line (weak models copy it into their answers), and removing what
looks like an instruction, which would also remove a manual's instructions.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterable
from typing import Final

from openbook.types import Evidence

NOT_FOUND_WORDS: Final = "NOT_IN_EVIDENCE"
"""What a model is told to write where the evidence does not answer."""

_LONGEST_PLACE: Final = 200
"""Characters of the line that says where a piece comes from."""

_LINE_ENDS: Final = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_BLANKS: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_JOINERS: Final = "\u200c\u200d"
_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""What Unicode calls default ignorable, and others that show nothing: a blank Braille cell, anchors."""
_UNSEEN: Final = re.compile(f"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\U000f0000-\U0010ffff{_IGNORABLE}]")
_OTHER_UNSEEN: Final = frozenset(("Cf", "Cc", "Cs", "Co"))
_SIGNS: Final = (
    "\n\t\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
"""Format characters that are seen, such as the Arabic end of a verse, and those that were kept on purpose."""

_JOINING_SCRIPTS: Final = (
    "\u0600-\u061b\u061d-\u06ff\u0700-\u074f\u0750-\u077f\u07c0-\u07ff\u0840-\u085f\u0860-\u08ff\u0900-\u0dff\u0f00-\u109f"
    "\u1780-\u17b3\u17b6-\u17ff\u1810-\u18aa\u1900-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefe\U00011000-\U00011fff"
)
"""Scripts in which a joiner between two letters changes what is written: Arabic, Syriac, those of India …"""
_EMOJI: Final = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297"
    "\u3299\U0001f000-\U0001faff"
)
_KEPT: Final = re.compile(
    f"(?<=[{_JOINING_SCRIPTS}])[{_JOINERS}](?=[{_JOINING_SCRIPTS}])"
    f"|(?<=[{_EMOJI}])\ufe0f?\u200d(?=[{_EMOJI}])"
    f"|(?<=[{_EMOJI}])[\ufe0e\ufe0f]|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    "|(?<=[\u1820-\u18aa])[\u180b-\u180d\u180f]"
)
"""Invisible characters that scripts and emoji need, where they need them."""

_BARS: Final = "|\uff5c"
_CONTROL_TOKEN: Final = re.compile(
    rf"<(?=[{_BARS}][^\s<>{_BARS}]{{1,80}}[{_BARS}]>)"
    r"|<(?=/?(?:s|bos|eos|eot|pad|unk|mask|cls|sep|sop|eop|eod|think|thinking|reasoning|tools?|tool_[a-z_]+"
    r"|function_[a-z_]+|start_of_[a-z_]+|end_of_[a-z_]+|start_function_[a-z_]+|end_function_[a-z_]+|fim_[a-z_]+"
    r"|fim-[a-z_]+|extra_id_[0-9]+|unused[0-9]+|reserved_[a-z0-9_]+|SPECIAL_[0-9]+|0x[0-9A-F]{2}|image|image_soft_token"
    r"|audio|video|img|system|user|assistant|human|model|instruction|instructions)>)"
    r"|<(?=<(?:/?SYS)>>)|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS"
    r"|CALL_ID|MODEL_SETTINGS|THINK|IMG|IMG_BREAK|IMG_END|AUDIO|BEGIN_AUDIO|PREFIX|MIDDLE|SUFFIX|CLS|SEP|MASK|PAD"
    r"|UNK|BOS|EOS|gMASK|sMASK|control_[0-9]+)\])",
    re.IGNORECASE,
)
"""Where to break up what a tokenizer might read as one of its control tokens: behind the bracket."""

_ROLES: Final = (
    "System|Developer|User|Human|Assistant|AI|Tool|Function|Instructions?|Response|Input|Evidence|Question"
    "|(?:Final )?Answer"
)
_TURN: Final = re.compile(
    rf"^(?=[ \t]{{0,3}}(?:#{{1,6}}[ \t]*)?[*_]{{0,3}}(?:{_ROLES}|{_ROLES.upper()})"
    r"(?:[ \t]+(?i:message|prompt|turn))?[*_]{0,3}[ \t]*[:\uff1a]"
    rf"|[ \t]{{0,3}}#{{1,6}}[ \t]*(?i:{_ROLES})[ \t]*(?::|$))",
    re.MULTILINE,
)
"""A line that begins like somebody's turn. Not in lower case: "user:" is a key of many a YAML file."""
_NUMBERS: Final = (
    r"\^?[ \t]*[0-9\uff10-\uff19]{1,4}(?:[ \t]*[-,;\u2013\uff0c\u3001][ \t]*[0-9\uff10-\uff19]{1,4})*[ \t]*"
)
_CITATION: Final = re.compile(
    rf"(?P<code>(?<=[\w)\]]))?(?:\[(?P<square>{_NUMBERS})\]|[\uff3b\u3010](?P<wide>{_NUMBERS})[\uff3d\u3011])"
)
_REMOTE_IMAGE: Final = re.compile(r"!(?=\[[^\]\n]{0,300}\]\(\s*<?(?:[a-z]+:)?//)", re.IGNORECASE)
"""An image that whoever shows an answer would fetch, and so tell somebody what was asked."""
_NOT_FOUND: Final = re.compile(r"not[_ -]?in[_ -]?evidence", re.IGNORECASE)


def whole_characters(text: str) -> str:
    """The text with halves of surrogate pairs joined where both are there, and U+FFFD for single ones.

    Servers that cut a reply between the halves send both; no index, file or
    request can hold a single one.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def visible(text: str) -> str:
    """The text without characters that show nothing, line ends as "\\n", blanks as spaces.

    Control, format and bidirectional characters, tags, variation selectors,
    private use and lone surrogates go. Joiners stay between letters of scripts
    that need them, and what joins or styles an emoji stays with it.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _BLANKS.sub(" ", _LINE_ENDS.sub("\n", text))
    kept = {match.start() + i for match in _KEPT.finditer(text) for i in range(len(match.group()))}
    removed = _UNSEEN.sub(lambda match: match.group() if match.start() in kept else "", text)
    if removed.isascii():
        return removed
    others = {
        character
        for character in set(removed)
        if unicodedata.category(character) in _OTHER_UNSEEN and character not in _SIGNS
    }
    return removed.translate(dict.fromkeys(map(ord, others)))


def harmless(text: str) -> str:
    """Text of a document as a model may see it: `visible`, and like nothing that means something here.

    Control tokens are broken up with a blank, marks like citations lose their
    brackets, lines that begin like a turn get "> " in front, and images from
    elsewhere become links.
    """
    shown = _REMOTE_IMAGE.sub("", unbroken_tokens(visible(text)))
    return _TURN.sub("> ", _CITATION.sub(_without_brackets, shown))


def unbroken_tokens(text: str) -> str:
    """The text with a blank in everything that a tokenizer might take for a control token."""
    return _NOT_FOUND.sub("not in evidence", _CONTROL_TOKEN.sub(lambda match: match.group() + " ", text))


def new_boundary(texts: Iterable[str] = ()) -> str:
    """A code that is drawn anew for each request, and stands in none of the texts.

    Twelve digits, because digits have the same number of tokens whichever they
    are; a document that guesses has one chance in a million million.
    """
    joined = "\n".join(texts)
    while (boundary := f"{secrets.randbelow(10**12):012}") in joined:
        pass
    return boundary


def fenced(piece: Evidence, boundary: str) -> str:
    """One piece of evidence between its fences, its place first. All but the fences is document data."""
    return fenced_text(
        f"{place_of(piece)}\n{harmless(piece.text).strip()}", f"evidence [{piece.number}]", boundary
    )


def fenced_text(text: str, name: str, boundary: str) -> str:
    """Text between two lines that say what it is and hold the boundary. `text` is taken as it is."""
    return f"=== {name} begins {boundary} ===\n{text}\n=== {name} ends {boundary} ==="


def place_of(piece: Evidence) -> str:
    """Where a piece comes from, on one line: path, title, heading and page are document data as well."""
    place = piece.place or piece.heading
    title = piece.title if piece.title not in (piece.path, place) else ""
    parts = [" ".join(harmless(part).split()) for part in (piece.path, title, place) if part.strip()]
    line = "; ".join(part for part in parts if part)
    return "From " + (line if len(line) <= _LONGEST_PLACE else line[: _LONGEST_PLACE - 1] + "…")


def _without_brackets(match: re.Match[str]) -> str:
    numbers = (match["square"] or match["wide"]).strip()
    return f"[ {numbers} ]" if match["code"] is not None else f"({numbers})"
