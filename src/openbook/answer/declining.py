"""How a model says that the evidence does not answer, and how the program knows.

The model is told fixed words for it. Models decorate them, so signs, case and
a sentence around them do not matter; but a reply that cites evidence is an
answer, whatever else it says.

Refused: asking for the fixed words in the question's language (then nobody
knows them), and judging longer replies by their wording: what a claim is worth
is for the check against the evidence to say.
"""

from __future__ import annotations

import re
from typing import Final

from openbook.answer.fencing import NOT_FOUND_WORDS, visible
from openbook.answer.sentences import split_sentences

_FIXED: Final = re.compile(r"not\\?_in\\?_evidence", re.IGNORECASE)
_NEARLY_FIXED: Final = re.compile(
    r"not[\s_\\-]*(?:in|found)[\s_\\-]*(?:in[\s_]+)?(?:the[\s_]+)?evidence", re.IGNORECASE
)
_DENIAL: Final = re.compile(
    r"(?:i['’]?m sorry,? (?:but )?|sorry,? (?:but )?|unfortunately,? )?"
    r"(?:(?:the|this|that) (?:answer|information) (?:is|was) not "
    r"(?:in|found in|mentioned in|contained in|given in|provided in|stated in|part of) (?:the|this|any)"
    r"|(?:the |this |none of the )?(?:provided |given |available )?(?:pieces of )?evidence "
    r"(?:above |provided |given )?"
    r"(?:does not|doesn['’]t|do not|don['’]t|contains? no|has no|gives? no|provides? no) ?"
    r"(?:contain|mention|provide|say|state|give|include|specify|answer|tell|information|answer)?)\b",
    re.IGNORECASE,
)
_BUT: Final = re.compile(r"\b(?:but|however|although|though|only|except|instead|rather)\b|;", re.IGNORECASE)
"""What follows on a denial may be the answer: "does not give a year, but the arena opened in May"."""
_MARK: Final = re.compile(r"\[\s*\d+(?:\s*[-,;–]\s*\d+)*\s*\]")
_SIGNS: Final = " \t\n.!?:;,\"'`*_“”„’()[]<>…-"
_QUOTES: Final = " \t\n\"'`*_“”„’()[]<>"
_LONGEST_APOLOGY: Final = 60
"""Words around the fixed ones that still say nothing else."""
_LONGEST_DENIAL: Final = 30


def said_not_found(text: str) -> bool:
    """Whether a reply says, in the fixed words or nearly so, that the evidence does not answer.

    Case, signs and a sentence around the words do not matter. A reply with
    citations, or one that has the words somewhere inside a statement, is an
    answer. So is a reply in other words, except for one plain sentence that
    the evidence does not contain the answer, and nothing else, which small
    models prefer.
    """
    plain = " ".join(". ".join(line for line in text.split("\n") if line.strip()).split())
    if not plain.strip(_SIGNS) or _MARK.search(plain):
        return False
    if found := _FIXED.search(plain):
        return _stands_alone(plain[: found.start()], plain[found.end() :])
    if _NEARLY_FIXED.fullmatch(plain.strip(_SIGNS)):
        return True
    short = len(plain.split()) <= _LONGEST_DENIAL and len(split_sentences(plain)) == 1
    bare = plain.strip(_SIGNS)
    denial = _DENIAL.match(bare)
    return short and denial is not None and not _BUT.search(bare, denial.end())


def _stands_alone(before: str, after: str) -> bool:
    """Whether the fixed words between these two are a sentence of their own, or end the whole reply."""
    if len(before.split()) + len(after.split()) > _LONGEST_APOLOGY:
        return False
    before, after = before.rstrip(_QUOTES), after.lstrip(_QUOTES)
    begins = not before or before[-1] in ".!?:;…"
    ends = not after or after[0] in ".!?:;,…-–—"
    return not after.strip(_SIGNS) or (begins and ends)


def says_nothing(text: str) -> bool:
    """Whether nothing of a reply can be seen but citation marks and signs between them."""
    return not _MARK.sub("", visible(text)).strip(" \t\n.,;:")


def without_fixed_words(text: str) -> str:
    """An answer that has the fixed words for a part of it, in words that people read."""
    return _FIXED.sub("not in the documents", text)


def may_become_not_found(text: str) -> bool:
    """Whether a reply that begins like this may still turn out to be nothing but the fixed words."""
    begun = re.sub(r"[\s\\_-]+", "_", text.strip(_SIGNS + "\\").upper())
    if begun.startswith(NOT_FOUND_WORDS):
        return not _MARK.search(text) and len(text.split()) <= _LONGEST_APOLOGY
    return NOT_FOUND_WORDS.startswith(begun)
