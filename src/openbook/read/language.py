"""The language of a text as an ISO 639-1 code, or "" where it cannot be told.

A script that only one language uses decides by itself; the others are told
apart by the trigram model in kreuzberg, which is installed anyway, works
offline and takes a fifth of a millisecond for the sample that it gets. An
uncertain guess is refused: a wrong stemmer hides more words than none.

Refused: lingua (a hundred megabytes), langdetect (random unless seeded, a
thousand times slower) and py3langid (another 4.6 MB model for no fewer errors).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kreuzberg import ExtractionConfig

_PIECE: Final = 800
"""Characters of each of the three pieces that are looked at: beginning, middle and end."""
_FEWEST_LETTERS: Final = 25
_CONFIDENCE: Final = 0.5
_DENSITY: Final = 3
"""A character of a script that writes syllables or words counts as this many letters of an alphabet."""

_SCRIPTS: Final = (
    (0x0370, 0x03FF, "el"),
    (0x0400, 0x052F, "cyrillic"),
    (0x0530, 0x058F, "hy"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "arabic"),
    (0x0900, 0x097F, "devanagari"),
    (0x0980, 0x09FF, "bn"),
    (0x0A00, 0x0A7F, "pa"),
    (0x0A80, 0x0AFF, "gu"),
    (0x0B00, 0x0B7F, "or"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0C00, 0x0C7F, "te"),
    (0x0C80, 0x0CFF, "kn"),
    (0x0D00, 0x0D7F, "ml"),
    (0x0D80, 0x0DFF, "si"),
    (0x0E00, 0x0E7F, "th"),
    (0x0E80, 0x0EFF, "lo"),
    (0x0F00, 0x0FFF, "bo"),
    (0x1000, 0x109F, "my"),
    (0x10A0, 0x10FF, "ka"),
    (0x1100, 0x11FF, "ko"),
    (0x1200, 0x139F, "am"),
    (0x1780, 0x17FF, "km"),
    (0x1F00, 0x1FFF, "el"),
    (0x3040, 0x30FF, "ja"),
    (0x3400, 0x4DBF, "zh"),
    (0x4E00, 0x9FFF, "zh"),
    (0xAC00, 0xD7A3, "ko"),
    (0xF900, 0xFAFF, "zh"),
    (0x20000, 0x3FFFF, "zh"),
)
"""First and last code point, and the language or the script that is written with them."""
_STARTS: Final = [first for first, _, _ in _SCRIPTS]
_SHARED_SCRIPTS: Final = frozenset(("latin", "cyrillic", "arabic", "devanagari"))
_DENSE: Final = frozenset(("zh", "ja", "ko"))
_FEWEST_KANA: Final = 0.05
"""The share of kana among kana and Chinese characters from which on a text is Japanese."""

_CODES: Final = dict(
    re.findall(
        r"(\w+):(\w+)",
        "afr:af aka:ak amh:am ara:ar aze:az bel:be ben:bn bul:bg cat:ca ces:cs cmn:zh cym:cy dan:da deu:de "
        "ell:el eng:en epo:eo est:et eus:eu fas:fa fin:fi fra:fr gle:ga guj:gu heb:he hin:hi hrv:hr hun:hu "
        "hye:hy ind:id isl:is ita:it jav:jv jpn:ja kan:kn kat:ka khm:km kor:ko lat:la lav:lv lit:lt mal:ml "
        "mar:mr mkd:mk mya:my nep:ne nld:nl nno:no nob:no nor:no ori:or pan:pa pes:fa pol:pl por:pt ron:ro "
        "rus:ru sin:si slk:sk slv:sl sna:sn spa:es srp:sr swe:sv tam:ta tel:te tgl:tl tha:th tuk:tk tur:tr "
        "ukr:uk urd:ur uzb:uz vie:vi yid:yi zul:zu zho:zh ",
    )
)
"""ISO 639-3, as the model says it → ISO 639-1. Both forms of Norwegian are "no"."""
_CODE: Final = re.compile(r"([a-z]{2,3})(?:[-_].*)?", re.IGNORECASE)
_LETTERS: Final = re.compile(r"[^\W\d_]+")

# Danish and Norwegian share most trigrams, so that the model will not decide; these words do.
_DANISH: Final = frozenset((
    "af", "blev", "dig", "efter", "gik", "gøre", "hvad", "hvornår", "meget", "mig", "noget", "nogle", "nu",
    "op", "sig", "tage", "uden", "ud",
))  # fmt: skip
_NORWEGIAN: Final = frozenset((
    "av", "ble", "deg", "etter", "fra", "gikk", "gjøre", "hva", "meg", "mye", "noe", "noen", "nå", "når",
    "opp", "seg", "ta", "uten", "ut",
))  # fmt: skip


def detect_language(text: str) -> str:
    """The ISO 639-1 code of the language that most of a text is written in, "" if undetermined."""
    sample = _sample(text)
    scripts = _scripts(sample)
    if not scripts:
        return ""
    script, weight = max(scripts.items(), key=lambda item: (item[1], item[0]))
    if script in _DENSE:
        return _east_asian(scripts)
    if weight < _FEWEST_LETTERS:
        return ""
    return _by_model(sample) if script in _SHARED_SCRIPTS else script


def language_code(name: str) -> str:
    """The two-letter code in a declared language ("en", "en-GB", "deu"); "" for anything else."""
    match = _CODE.fullmatch(name.strip())
    if match is None:
        return ""
    code = match.group(1).lower()
    return code if len(code) == 2 else _CODES.get(code, "")


def _sample(text: str) -> str:
    """Three pieces: the first alone may be a licence or a table of contents in another language."""
    if len(text) <= 3 * _PIECE:
        return text
    middle = len(text) // 2
    return " ".join((text[:_PIECE], text[middle : middle + _PIECE], text[-_PIECE:]))


def _scripts(sample: str) -> dict[str, int]:
    """How much of a text is in each script, in letters of an alphabet."""
    if sample.isascii():
        letters = sum(map(len, _LETTERS.findall(sample)))
        return {"latin": letters} if letters else {}
    counts: Counter[str] = Counter()
    for character, count in Counter(sample).items():
        if character.isalpha():
            script = _script(ord(character))
            counts[script] += count * (_DENSITY if script in _DENSE else 1)
    return dict(counts)


def _script(code_point: int) -> str:
    index = bisect_right(_STARTS, code_point) - 1
    if index < 0 or code_point > _SCRIPTS[index][1]:
        return "latin"
    return _SCRIPTS[index][2]


def _east_asian(scripts: dict[str, int]) -> str:
    """Chinese characters are used in Japanese and Korean too; kana and Hangul are not."""
    chinese, kana, hangul = (scripts.get(name, 0) for name in ("zh", "ja", "ko"))
    if hangul >= max(kana, 1) and hangul * 4 >= chinese:
        return "ko"
    return "ja" if kana >= max(1, _FEWEST_KANA * (kana + chinese)) else "zh"


def _by_model(sample: str) -> str:
    code = _guess(sample, _CONFIDENCE)
    if not code and _guess(sample, 0.0) in ("da", "no"):
        words = Counter(_LETTERS.findall(sample.lower()))
        danish, norwegian = (sum(words[word] for word in known) for known in (_DANISH, _NORWEGIAN))
        if danish != norwegian:
            return "da" if danish > norwegian else "no"
    return code


def _guess(sample: str, confidence: float) -> str:
    from kreuzberg import extract_bytes_sync

    result = extract_bytes_sync(sample.encode(), "text/plain", _configuration(confidence))
    languages = result.detected_languages
    return _CODES.get(languages[0], "") if languages else ""


@cache
def _configuration(confidence: float) -> ExtractionConfig:
    from kreuzberg import ExtractionConfig, LanguageDetectionConfig

    # The cache would keep the text of deleted documents on the disk.
    detection = LanguageDetectionConfig(enabled=True, min_confidence=confidence)
    return ExtractionConfig(use_cache=False, enable_quality_processing=False, language_detection=detection)
