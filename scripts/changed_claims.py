"""Claims with one number, name or negation changed, for measuring what a support check notices.

A change is made so that the claim stays a plausible sentence: a year becomes
another year nearby, a small count another small count, or the number is taken
from elsewhere in the same passage; a name is exchanged for another of the same
shape, from the same passage or from another one; "is" becomes "is not", and a
negation that is there is taken away.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

NUMBER = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w,])|(?<![\w.,/])\d+(?:\.\d+)?(?![\w/]|[.,]\d)")
NUMBER_WORDS = "two three four five six seven eight nine ten eleven twelve".split()
NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(NUMBER_WORDS)})\b")
NAME = re.compile(r"[A-Z][\w.'’-]*[\w](?:(?: of| de| van| the)? [A-Z][\w.'’-]*[\w])*")
AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|can|could|will|would|has|have|had|must|should|may|might|does|do|did)\b"
    r"(?! n't| not\b)"
)
OPPOSITES = tuple(
    frozenset(pair.split("/"))
    for pair in (
        "before/after more/less higher/lower highest/lowest largest/smallest longer/shorter increase/decrease"
        " increased/decreased first/last north/south northern/southern east/west always/never"
        " internal/external left/right above/below male/female large/small high/low  early/late"
        " maximum/minimum with/without all/none"
    ).split()
)
UNIT_SWAPS = {
    "km": ("miles",), "kilometres": ("miles",), "metres": ("feet",), "m": ("ft",), "ft": ("m",),
    "feet": ("metres",), "miles": ("km",), "mi": ("km",), "years": ("days", "months"),
    "days": ("weeks",), "minutes": ("hours",),
    "hours": ("minutes",), "months": ("years",), "kg": ("lb",), "pound": ("ton",),
    "acres": ("hectares",), "%": ("dollars",), "cm": ("mm",), "weeks": ("days",),
}  # fmt: skip
NEGATION = re.compile(r"\s(?:not|never)\b|(?:(?<=\w)|\s)n['’]t\b")
PAST = re.compile(r"(?<=[a-z] )(?=[a-z]{3,}ed\b(?! (?:by|in|to)\b))")
MONTH_OR_DAY = re.compile(
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|\w+day)\b"
)
SENTENCE_START = re.compile(r"(?:^|[.!?:]\s+|``\s*|\"\s*|\(\s*|\n)$")


def change_number(claim: str, passage: str, random_: random.Random) -> str | None:
    """The claim with one number changed; None if it has none."""
    found = [*NUMBER.finditer(claim), *NUMBER_WORD.finditer(claim)]
    if not found:
        return None
    match = random_.choice(found)
    others = [n for n in dict.fromkeys(NUMBER.findall(passage)) if n not in claim]
    if match.group().isalpha():
        new = random_.choice([word for word in NUMBER_WORDS if word not in claim.lower().split()])
    elif others and random_.random() < 0.5:
        same = [n for n in others if len(n) == len(match.group())]
        new = random_.choice(same or others)
    else:
        new = _another(match.group(), claim, random_)
    return claim[: match.start()] + new + claim[match.end() :]


def _another(number: str, claim: str, random_: random.Random) -> str:
    plain = float(number.replace(",", ""))
    for attempt in range(100):
        if "." in number:
            new = f"{plain * random_.choice((0.5, 0.8, 1.3, 2)) + 0.1:.{len(number.split('.')[1])}f}"
        elif 1000 <= plain < 2200 and "," not in number:
            new = str(int(plain) + random_.choice((-1, 1)) * random_.randint(1, 30))
        elif plain < 40:
            new = str(max(1, int(plain) + random_.choice((-3, -2, -1, 1, 2, 3, 5)) * (1 + attempt // 9)))
        else:
            new = (
                f"{int(plain * random_.choice((0.4, 0.7, 1.2, 1.5, 3))) + 1:{',' if ',' in number else ''}d}"
            )
        if new != number and not re.search(rf"(?<!\d){re.escape(new)}(?!\d)", claim):
            return new
    return f"{number}7"


def names_of(text: str) -> list[str]:
    """Capitalised runs that do not merely begin a sentence."""
    found = []
    for match in NAME.finditer(text):
        starts = bool(SENTENCE_START.search(text[: match.start()]))
        if starts and " " not in match.group():
            continue
        if not MONTH_OR_DAY.match(match.group()):
            found.append(match.group())
    return list(dict.fromkeys(found))


def change_name(
    claim: str, passage: str, foreign: Sequence[str], random_: random.Random, *, within: bool
) -> str | None:
    """The claim with one name exchanged for one of its passage (`within`) or of another; None without one."""
    own = [name for name in names_of(claim) if len(name) > 2]
    if not own:
        return None
    old = random_.choice(own)
    words = set(claim.lower().split())
    pool = names_of(passage) if within else foreign
    pool = [name for name in pool if words.isdisjoint(name.lower().split()) and len(name) > 2]
    same = [name for name in pool if _shape(name) == _shape(old)]
    if not same:
        return None
    new = random_.choice(same)
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, claim)


def _shape(name: str) -> tuple[bool, bool, bool]:
    return name.isupper(), " " in name, name.endswith(("n", "sh", "ese")) and " " not in name


def change_opposite(claim: str, random_: random.Random) -> str | None:
    """The claim with one word turned into its opposite ("before", "after"); None if it has none."""
    found = [
        (match, other)
        for match in re.finditer(r"[a-z]+", claim)
        for pair in OPPOSITES
        if match.group() in pair
        for other in pair - {match.group()}
    ]
    if not found:
        return None
    match, other = random_.choice(found)
    return claim[: match.start()] + other + claim[match.end() :]


def change_unit(claim: str, random_: random.Random) -> str | None:
    """The claim with one number in another unit of the same kind; None if it has no unit that is known."""
    found = [
        (match, other)
        for match in re.finditer(r"(?<=\d) ?([a-z%]+)(?!\w)", claim)
        for other in UNIT_SWAPS.get(match[1], ())
    ]
    if not found:
        return None
    match, other = random_.choice(found)
    return claim[: match.start(1)] + other + claim[match.end(1) :]


def change_negation(claim: str, random_: random.Random) -> str | None:
    """The claim with a negation taken away or put in; None if there is no place for one."""
    present = list(NEGATION.finditer(claim))
    if present:
        match = random_.choice(present)
        return claim[: match.start()] + claim[match.end() :]
    places = [match.end() for match in AUXILIARY.finditer(claim)]
    if places:
        place = random_.choice(places)
        return f"{claim[:place]} not{claim[place:]}"
    places = [match.start() for match in PAST.finditer(claim)]
    if places:
        place = random_.choice(places)
        return f"{claim[:place]}never {claim[place:]}"
    return None
