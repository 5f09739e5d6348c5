"""Text → tokens that can be compared exactly: numbers, dates, units, names, code, negations.

"1,000", "1000" and "one thousand" are the same number; "19 June 2009" and
"2009-06-19" hold the same day, month and year; "5 km" is not "5 miles". A
token carries keys, and two tokens agree if they share one.

Refused: a parser of grammar or a model that finds names. Capital letters,
shapes and short lists find nearly all that a reader would compare by eye, in a
thousandth of the time, and their mistakes can be understood.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, TypeAlias

from openbook.answer.abbreviations import STARTERS
from openbook.answer.agreement_words import (
    ABOUT,
    CARDINALS,
    MONTHS,
    MONTHS_AND_WORDS,
    NEGATIONS,
    ORDINALS,
    SCALES,
    TENS,
    UNITS,
)

TokenKind: TypeAlias = Literal["number", "name", "code", "negation", "word"]

_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
)
_TOKEN: Final = re.compile(
    rf"""
    (?P<iso>\b(?:1[0-9]|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d))
  | (?P<slashed>\b\d{{1,2}}[/.]\d{{1,2}}[/.](?:\d\d)?\d\d(?![\d.]\d|\w))
  | (?P<code>[^\W\d]\w*(?:(?:::|\.|\$|->)[^\W\d]\w*)*\(\)
      | [^\W\d]\w*(?:::|\$|->)\w+(?:(?:::|\.|\$|->)\w+)*
      | [^\W\d_]\w*_\w*
      | (?<![\w.])[^\W\d]\w+(?:\.[^\W\d]\w+)+
      | (?<!\w)--[a-z][\w-]*)
  | (?P<number>(?<![\w.])(?:\d{{1,3}}(?:[,.'’\u00a0\u202f\u2009]\d{{3}})+(?:[.,]\d+)?|\d+(?:[.,]\d+)*)
      (?P<suffix>(?:st|nd|rd|th|s|[a-zA-Zµ°]{{1,3}})(?!\w))?(?!\w))
  | (?P<negated>n['’]t\b)
  | (?P<unspaced>[{_UNSPACED}])
  | (?P<word>(?:(?![{_UNSPACED}])\w)+(?:['’][^\W\d_]+)*)
  | (?P<sign>[%$€£¥]|°[CF])
    """,
    re.VERBOSE,
)
_BEGINS = re.compile(r"[.!?:|]\s*\W*$|^\W*[.!?]\s|\n\s*(?:\n|[-*#>|])")
_POSSESSIVE = re.compile(r"['’]s?$")
_ORDINAL_SUFFIXES: Final = ("st", "nd", "rd", "th")
_MONEY: Final = frozenset("$€£¥")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text at [start:end]. `keys` are what is compared: two tokens agree if they share one.

    soft      a number word or first word that may well mean something else
              ("one of them"), so that its absence proves nothing
    about     the text says that the number is rounded
    initial   the first word of its sentence, where a capital says nothing
    unit      the name of the unit that belongs to a number, "" if none
    clause    counts the clauses of the text; a negation reaches no further
    stop      a word that carries no meaning by itself, as the analysis says
    """

    start: int
    end: int
    text: str
    kind: TokenKind
    keys: frozenset[str]
    soft: bool = False
    about: bool = False
    initial: bool = False
    unit: str = ""
    clause: int = 0
    stop: bool = False

    @property
    def value(self) -> Decimal | None:
        """The number that it stands for, the first of its readings; None of other kinds."""
        for key in sorted(self.keys):
            if key.startswith("#"):
                try:
                    return Decimal(key[1:])
                except InvalidOperation:
                    return None
        return None


def read_tokens(text: str, *, nouns_are_capital: bool = False) -> tuple[Token, ...]:
    """The tokens of a text, in order. `nouns_are_capital` as in German, where a capital makes no name."""
    raw = list(_raw_tokens(text))
    if nouns_are_capital:
        raw = [
            replace(token, kind="word") if token.kind == "name" and token.text[1:].islower() else token
            for token in raw
        ]
    return tuple(_joined(raw, text))


def _raw_tokens(text: str) -> Iterator[Token]:
    clause, end, begins = 0, 0, True
    for match in _TOKEN.finditer(text):
        between = text[end : match.start()]
        if any(mark in between for mark in ",;:.!?()–—") or "--" in between or "\n" in between:
            clause += 1
        begins = begins or bool(_BEGINS.search(between))
        for token in _tokens_of(match):
            yield replace(token, clause=clause, initial=begins)
        begins, end = False, match.end()


def _tokens_of(match: re.Match[str]) -> Iterator[Token]:
    start, end, text = match.start(), match.end(), match.group()
    match match.lastgroup:
        case "iso":
            year, number, day = text.split("-")
            yield Token(start, end, text, "number", _key(year))
            yield Token(start, end, text, "number", frozenset({f"month {int(number)}"}))
            yield Token(start, end, text, "number", _key(day))
        case "slashed":
            for place, part in enumerate(re.split(r"[/.]", text)):
                months = {f"month {int(part)}"} if place < 2 and 1 <= int(part) <= 12 else set()
                yield Token(start, end, text, "number", _key(part).union(months))
        case "code":
            yield Token(start, end, text, "code", frozenset({folded(text).removesuffix("()")}))
        case "number" | "suffix":
            yield _number(match)
        case "negated":
            yield Token(start, end, text, "negation", frozenset({"n't"}))
        case _:
            yield from _word(start, text)


def _number(match: re.Match[str]) -> Token:
    start, end, suffix = match.start(), match.end(), match["suffix"] or ""
    digits = match["number"].removesuffix(suffix)
    if suffix == "s":
        return Token(start, end, match["number"], "number", frozenset({f"{digits}s"}))
    if not suffix or suffix in _ORDINAL_SUFFIXES:
        return Token(start, end, match["number"], "number", frozenset(_readings(digits)))
    unit = UNITS.get(suffix.lower(), "")
    if unit or suffix.lower() in SCALES:
        return Token(start, end, match["number"], "number", frozenset(_readings(digits)), unit=unit)
    return Token(start, end, match["number"], "name", frozenset({match["number"].lower()}))


def _readings(digits: str) -> set[str]:
    """What the digits can stand for: "3.000" is three, or three thousand; "1.2.3" is a version."""
    plain = re.sub(r"['’\u00a0\u202f\u2009]", "", digits)
    separators = [mark for mark in plain if mark in ".,"]
    if not separators:
        return set(_key(plain))
    readings: set[str] = set()
    grouped = re.fullmatch(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*(?:[.,]\d+)?", plain)
    mixed = len(set(separators)) > 1 and separators[0] == separators[-1]
    if grouped and not plain.startswith("0") and not mixed:
        readings |= _key(plain.replace(grouped[1], "").replace(",", "."))
    # A comma followed by three digits separates thousands far more often than decimals.
    if len(separators) == 1 and not (separators[0] == "," and readings):
        readings |= _key(plain.replace(",", "."))
    return readings or {f"#{plain}"}


def _key(digits: str) -> frozenset[str]:
    value = Decimal(digits)
    return frozenset({f"#{value.normalize():f}" if value else "#0"})


def _word(start: int, text: str) -> Iterator[Token]:
    end, lowered = start + len(text), text.lower().replace("’", "'")
    if lowered.endswith("n't") and len(lowered) > 3:
        stem = text[:-3]
        if lowered not in ("can't", "won't"):
            yield Token(start, end - 3, stem, "word", frozenset({stem.lower()}))
        yield Token(end - 3, end, text[-3:], "negation", frozenset({"n't"}))
        return
    bare = _POSSESSIVE.sub("", lowered)
    keys = frozenset({folded(bare)})
    if bare in NEGATIONS:
        yield Token(start, end, text, "negation", keys)
    elif bare in MONTHS and (text[:1].isupper() or bare not in MONTHS_AND_WORDS):
        yield Token(start, end, text, "number", keys | {f"month {MONTHS[bare]}"})
    elif bare in CARDINALS or bare in TENS:
        number = CARDINALS.get(bare, TENS.get(bare, 0))
        yield Token(start, end, text, "number", keys | _key(str(number)), soft=bare in ("one", "zero"))
    elif bare in ORDINALS:
        yield Token(start, end, text, "number", keys | _key(str(ORDINALS[bare])), soft=True)
    elif _is_named(text):
        yield Token(start, end, text, "name", keys)
    else:
        yield Token(start, end, text, "word", keys)


def folded(text: str) -> str:
    """Without capitals and accents: "Zürich" and "ZURICH" are one name."""
    lowered = text.lower().replace("’", "'")
    if lowered.isascii():
        return lowered
    parts = unicodedata.normalize("NFKD", lowered)
    return "".join(part for part in parts if not unicodedata.combining(part))


def _is_named(text: str) -> bool:
    """A capital, or letters with a capital or a digit among them: "Oregon", "GSC", "iPhone", "B12"."""
    if text[:1].isupper():
        return len(text) > 1 or text not in "AIO"
    return any(c.isupper() for c in text) or (any(c.isdigit() for c in text) and not text.isdigit())


def _joined(tokens: Sequence[Token], text: str) -> Iterator[Token]:
    """Numbers with what belongs to them (tens, scales, units, "about"), and capitals judged in context."""
    index = 0
    while index < len(tokens):
        token = tokens[index]
        index += 1
        if token.text == "s" and text[token.start - 1 : token.start] in ("'", "’"):
            continue
        if token.text in ("No", "Nos", "no") and text[token.end : token.end + 1] == ".":
            numbered = text[token.end + 1 :].lstrip()[:1].isdigit()
            token = replace(token, kind="word") if numbered else token
        if token.text in _MONEY and index < len(tokens) and tokens[index].kind == "number":
            tokens = [*tokens[:index], replace(tokens[index], unit=UNITS[token.text]), *tokens[index + 1 :]]
            continue
        if token.kind == "number":
            token, index = _completed(tokens, index - 1, token)
            before = [one.text.lower() for one in tokens[max(index - 3, 0) : index - 1]]
            token = replace(token, about=token.about or not ABOUT.isdisjoint(before))
        elif token.initial and token.kind == "name" and token.text[1:].islower():
            following = tokens[index] if index < len(tokens) else None
            named = following is not None and following.kind == "name" and following.start - token.end <= 2
            if token.text.lower() in STARTERS or not named:
                token = replace(token, kind="word")
        elif token.text in UNITS and token.kind == "word" and not token.text[0].isalnum():
            continue
        yield token


def _completed(tokens: Sequence[Token], place: int, token: Token) -> tuple[Token, int]:
    """The number at `place` with the tens, scale and unit that follow it, and the place behind them."""
    index = place + 1
    value = token.value
    while index < len(tokens) and value is not None:
        following, lowered = tokens[index], tokens[index].text.lower()
        if following.start - token.end > 2:
            break
        if token.text.lower() in TENS and 0 < CARDINALS.get(lowered, 0) < 10:
            value += CARDINALS[lowered]
        elif token.text.lower() in TENS and 0 < ORDINALS.get(lowered, 0) < 10:
            value += ORDINALS[lowered]
        elif lowered in SCALES:
            value *= SCALES[lowered]
        else:
            break
        token = replace(
            token, end=following.end, text=f"{token.text} {following.text}", keys=_key(str(value)), soft=False
        )
        index += 1
    if index < len(tokens) and not token.unit and not any(key.startswith("month") for key in token.keys):
        following = tokens[index]
        unit = UNITS.get(following.text.lower(), "")
        if unit and following.start - token.end <= 2 and following.kind != "number":
            token = replace(token, unit=unit)
            # "20 MB" is "20MB"; a unit that is a word stays a word.
            index += following.kind == "name" or not following.text[0].isalnum()
    return token, index
