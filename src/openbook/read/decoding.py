"""Bytes to text, in linear time, for files that do not say how they are encoded.

UTF-8 is tried first and nearly always right. Only a file that is certainly
something else goes to charset-normalizer, and then only a sample of the lines
that matter, because its time grows with the square of what it is given.

Refused: guessing on the whole file, and `errors="ignore"`, which joins words
that a damaged byte kept apart. Damage becomes U+FFFD and is counted.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

from openbook.errors import UnsupportedFile

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HEAD: Final = 65_536
_SAMPLE: Final = 16_384
"""Bytes shown to charset-normalizer."""
_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\r\f\v\b\x1b\x1a")) + b"\x7f"
"""Bytes that no text holds in number."""
_NULS: Final = re.compile(rb"\0+")
_NUL_CHARACTERS: Final = re.compile("\0+")
_MOST_CONTROLS: Final = 0.02
_FEW: Final = 0.05
"""The share of bytes beyond ASCII up to which a text may be English with some damage."""
_ODD: Final = b"\x81\x8f\x90\x9d\xf5\xf7\xfd\xfe\xff"
"""Bytes that are rare or undefined in the legacy encodings of mostly ASCII languages."""
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_CUT: Final = re.compile(rb"(?:[\xe0-\xef][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{1,2})\Z")
"""A character of UTF-8 that the end of the file cuts."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_KOREAN_LETTER: Final = re.compile("[\u3131-\u318e]")
_WORD: Final = re.compile(rb"[A-Za-z\x80-\xff]+")
_NOT_ASCII_RUN: Final = re.compile(rb"[\x80-\xff]+")
_MOST_ACCENTS: Final = 0.5
_LATIN: Final = frozenset(("cp1250", "cp1252", "cp1254", "cp1257", "cp1258", "cp437", "cp850", "mac_roman"))
_WINDOWS_LATIN: Final = frozenset(("cp1250", "cp1252", "cp1254", "cp1257", "cp1258"))
_HOMES: Final = {
    "cp1250": ("pl", "cs", "sk", "hu", "ro", "hr", "sl", "sq"),
    "cp1254": ("tr", "az"),
    "cp1257": ("lt", "lv", "et"),
    "cp1258": ("vi",),
}
"""Code pages of Windows for Latin letters → languages written in them; all others in windows-1252."""
_CANDIDATES: Final = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874",
    "koi8_r", "cp866", "cp437", "cp850", "mac_roman", "mac_cyrillic",
    "cp932", "euc_jp", "gb18030", "big5", "cp949",
]  # fmt: skip
"""Encodings in which people have really left files."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text with line ends as "\\n", and how it was encoded, in words ("utf-8" if sound)."""

    text: str
    encoding: str


def decode(data: bytes, path: str, *, declared: str = "") -> Decoded:
    """Decode a text file. `declared` is the encoding that the file claims for itself, if any.

    The byte order mark is dropped and line ends become "\\n"; nothing else
    changes. Raises UnsupportedFile for content that is not text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _damaged(data[len(mark) :], encoding)
    if encoding := _wide_encoding(data):
        return _damaged(data, encoding)
    if looks_binary(data):
        raise UnsupportedFile(
            f"{path!r} looks binary although its name promises text. "
            "Give it the suffix of what it is, or leave it out with .openbookignore."
        )
    try:
        return _decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        pass
    if declared and (text := _strict(data, declared)) is not None:
        return _decoded(text, declared.lower())
    return _decode_other(data)


def looks_binary(data: bytes) -> bool:
    """Whether bytes are no text in any encoding that keeps ASCII as it is."""
    head = data[:_HEAD]
    if not head:
        return False
    # A file system that crashed leaves runs of zero bytes in a log: a run counts once.
    solid = len(head) - head.count(0)
    controls = solid - len(head.translate(None, _CONTROLS)) + len(_NULS.findall(head))
    return controls > _MOST_CONTROLS * solid


def looks_like_text(data: bytes) -> bool:
    """Whether the bytes of a file of unknown kind are text: by a byte order mark or by what they hold."""
    marked = any(data.startswith(mark) for mark, _ in _MARKS)
    return marked or bool(_wide_encoding(data)) or not looks_binary(data)


def without_surrogates(text: str) -> str:
    """Lone surrogates, which no file can hold, replaced one by one, so that offsets stay."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _wide_encoding(data: bytes) -> str:
    """UTF-16 or UTF-32 without a mark: recognised by where the zero bytes of Latin letters are."""
    head = data[:4_096]
    head = head[: len(head) // 4 * 4]
    if len(data) % 2 or len(head) < 4 or head.count(0) < len(head) // 4:
        return ""
    quarter = len(head) // 4
    zeros = [head[place::4].count(0) for place in range(4)]
    often, never = 0.7 * quarter, 0.02 * quarter
    if not len(data) % 4 and min(zeros[1:]) > often and zeros[0] <= never:
        return "utf-32-le"
    if not len(data) % 4 and min(zeros[:3]) > often and zeros[3] <= never:
        return "utf-32-be"
    if min(zeros[1], zeros[3]) > often and max(zeros[0], zeros[2]) <= never:
        return "utf-16-le"
    if min(zeros[0], zeros[2]) > often and max(zeros[1], zeros[3]) <= never:
        return "utf-16-be"
    return ""


def _decode_other(data: bytes) -> Decoded:
    """Bytes that are not UTF-8: damaged UTF-8, or another encoding."""
    lenient = data.decode("utf-8", "replace")
    beyond_ascii = len(lenient) - len(lenient.encode("ascii", "ignore"))
    replaced = lenient.count("\ufffd")
    bad = replaced - data.count(b"\xef\xbf\xbd")
    del lenient
    # Text in another encoding hardly ever forms a character of UTF-8 by chance.
    if beyond_ascii - replaced >= bad or (bad == 1 and _CUT.search(data[-4:])):
        return _damaged(data, "utf-8")
    sample = _sample(data)
    return _damaged(data, "utf-8" if _is_damaged_ascii(sample) else _detect(sample))


def _is_damaged_ascii(sample: bytes) -> bool:
    """Whether the few bytes beyond ASCII are noise rather than letters of another encoding."""
    high = b"".join(_NOT_ASCII.findall(sample))
    if len(high) > _FEW * len(sample):
        return False
    odd = len(high) - len(high.translate(None, _ODD))
    return 2 * odd >= len(high)


def _sample(data: bytes) -> bytes:
    """Up to 16 KB of those lines (or parts of very long ones) that have bytes beyond ASCII."""
    pieces: list[bytes] = []
    size = position = 0
    while size < _SAMPLE and (match := _NOT_ASCII.search(data, position)):
        at = match.start()
        start = data.rfind(b"\n", max(position, at - 200), at) + 1 or max(position, at - 200)
        position = data.find(b"\n", at, at + 2_000) + 1 or min(len(data), at + 2_000)
        pieces.append(data[start:position])
        size += len(pieces[-1])
    return b"".join(pieces)[:_SAMPLE]


def _detect(sample: bytes) -> str:
    """The most likely encoding of a sample that is not UTF-8; windows-1252 where nothing fits."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_CANDIDATES, preemptive_behaviour=False, threshold=0.3).best()
    encoding = best.encoding if best is not None else "cp1252"
    if encoding not in _LATIN and _is_latin(sample):
        encoding = "cp1252"
    better = _corrected(encoding, sample)
    return better if _strict(sample, better) is not None else encoding


def _is_latin(sample: bytes) -> bool:
    """Whether the bytes beyond ASCII stand among ASCII letters, as accents do in words of Latin letters."""
    words = [word for word in _WORD.findall(sample) if not word.isascii()]
    return sum(map(len, _NOT_ASCII_RUN.findall(b" ".join(words)))) < _MOST_ACCENTS * sum(map(len, words))


def _corrected(encoding: str, sample: bytes) -> str:
    """The encoding that language and letters speak for, among those often taken for another."""
    if encoding in _WINDOWS_LATIN:
        from openbook.read.language import detect_language

        for name, codes in _HOMES.items():
            if detect_language(sample.decode(name, "ignore")) in codes:
                return name
        return "cp1252"
    if encoding in ("cp1251", "koi8_r", "mac_cyrillic"):
        # Hebrew fills a small part of the letters; Russian would be without its most frequent ones.
        high = _NOT_ASCII.findall(sample)
        letters = sum(b"\xe0" <= byte <= b"\xfa" for byte in high)
        return "cp1255" if letters > 10 and letters > 0.95 * len(high) else encoding
    if encoding == "cp949":
        # Japanese kana look like single Korean letters, which hardly occur outside syllables.
        text = sample.decode(encoding, "ignore")
        return "euc_jp" if len(_KOREAN_LETTER.findall(text)) > 0.2 * len(text) else encoding
    return encoding


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (LookupError, UnicodeError):
        return None


def _damaged(data: bytes, encoding: str) -> Decoded:
    """Decode, with U+FFFD for what is no character of the encoding, and say how many there are."""
    text = _strict(data, encoding)
    if text is not None:
        return _decoded(text, encoding)
    text = data.decode(encoding, "replace")
    own = data.count("\ufffd".encode(encoding)) if encoding.startswith("utf") else 0
    return _decoded(text, encoding, text.count("\ufffd") - own)


def _decoded(text: str, encoding: str, invalid: int = 0) -> Decoded:
    """Normalise line ends, and take a run of NUL characters for damage: they end strings in databases."""
    nuls = text.count("\0")
    if nuls:
        text = _NUL_CHARACTERS.sub("\ufffd", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    count = invalid + nuls
    note = f"{encoding} ({count:,} invalid byte{'s' * (count > 1)} replaced)" if count else encoding
    return Decoded(without_surrogates(text), note)
