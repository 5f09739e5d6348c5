"""Text → terms: what the lexical index counts as the same word, language by language.

A text is analysed in the language of its document: folded to lower case, cut
into words, stemmed, accents removed. Three things go further, and in the same
way for every language:

- Chinese, Japanese, Korean, Thai and their neighbours write without spaces
  (or glue particles to words), so runs of their characters become characters
  and pairs of characters.
- Names from code (`read_csv`, `dplyr::filter`, `C++`, `3.4.1`) become their parts and,
  besides, one term for the whole name.
- Stop words are kept. Only a question drops them, and only if something else
  remains, so "The Who" and "to be or not to be" can be found, and a better
  list of stop words needs no new index.

All languages share one vocabulary. Refused: one field per language, because
tantivy divides a field's words by *all* documents for the average length, so
that in a mixed library every language but one would be scored as if its
texts were too long; and a name like "Berlin" should find German and English.

Refused as well: normalising inside tantivy (its analysers can be neither
combined for one field nor asked which words they dropped).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from openbook.index.stop_words import STOP_WORDS

if TYPE_CHECKING:
    from tantivy import Filter, TextAnalyzer

ANALYSIS_VERSION: Final = 1
"""Raised with any change to the terms of a text, so that older indexes are rebuilt."""

STEMMED: Final = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "fi": "finnish", "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch",
    "no": "norwegian", "nb": "norwegian", "nn": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
"""ISO 639-1 codes → the names of tantivy's stemmers and lists of stop words."""

LONGEST_TERM: Final = 64
"""Bytes. Longer "words" are data (hashes, base64), which nobody searches for by words."""

# Scripts without spaces between words: CJK and kana, Hangul, Thai, Lao, Myanmar, Khmer.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN: Final = re.compile(f"[{_UNSPACED}]+")
_WORD: Final = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[^\W_])+")
# A name from code: words joined by code punctuation, or a letter with + or # behind it. It begins where a
# word does: to try it at every letter as well would find nothing more, and take the square of a long word.
_NAME: Final = re.compile(
    r"(?<![^\W_])(?:[^\W_]+(?:(?:_+|\.|::|\$|->)[^\W_]+)+|[^\W\d_](?:\+\+|#)(?![^\W_]))", re.ASCII
)
# A letter with one of these behind it. The mark comes first, so that a text without any is soon passed over.
_NAME_HINT: Final = re.compile(
    r"_(?<=[^\W_]_)|\.(?<=[^\W_]\.)[^\W_]|:(?<=[^\W_]:):|\$(?<=[^\W_]\$)|-(?<=[^\W_]-)>"
    r"|\+(?<=[^\W_]\+)\+|\#(?<=[^\W_]\#)",
    re.ASCII,
)
# Combining marks carry vowels in these scripts, so a word must not be cut at them.
_MARKED_WORD: Final = r"[\p{L}\p{N}\p{M}]+"


class Analysis:
    """The analysis of one language. Make it with `analysis_of`, which keeps one for each."""

    def __init__(self, language: str) -> None:
        from tantivy import Filter

        stemmer = STEMMED.get(language)
        marked = stemmer in {None, "arabic", "tamil"}
        stemming = [Filter.stemmer(stemmer)] if stemmer else []
        stopping: list[Filter] = []
        if language in STOP_WORDS:
            stopping = [Filter.custom_stopword(STOP_WORDS[language].split())]
        elif stemmer:
            stopping = [Filter.stopword(stemmer)]
        self.language = language
        self._all = _analyzer([*stemming, Filter.ascii_fold()], marked=marked)
        self._content = _analyzer([*stopping, *stemming, Filter.ascii_fold()], marked=marked)
        self._unstemmed = _analyzer([], marked=marked)
        self._unstopped = _analyzer(stopping, marked=marked)

    def terms(self, text: str) -> list[str]:
        """Return every term of a text, repeated as often as it occurs: what the index holds."""
        spaced, extra = _prepare(text)
        return self._all.analyze(spaced) + extra

    def content_terms(self, text: str) -> list[str]:
        """Return the terms of a text without stop words, in order; names and characters last.

        Single characters of unspaced scripts count only where they stand alone.
        """
        spaced, extra = _prepare(text, asked=True)
        return self._content.analyze(spaced) + extra

    def stop_words(self, text: str) -> set[str]:
        """Return the stop words in a text, in lower case, not stemmed."""
        spaced, _ = _prepare(text)
        return set(self._unstemmed.analyze(spaced)).difference(self._unstopped.analyze(spaced))


@lru_cache(maxsize=256)
def analysis_of(language: str) -> Analysis:
    """Return the analysis of a language; "" and unknown codes get words as they are written."""
    return Analysis(language if language in STEMMED else "")


def question_terms(question: str, languages: Sequence[str]) -> list[str]:
    """Return the distinct terms to look for, of every language in `languages`, in order.

    The question's own language is unknown. The one with the most stop words in
    the question is taken for it, and its stop words are dropped from the
    other analyses too: "what" is a rare and therefore weighty word to the
    others. If nothing but stop words remains, all words are looked for.
    """
    return list(_question_terms(question, tuple(languages)))


@lru_cache(maxsize=64)
def _question_terms(question: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    """What `question_terms` returns; kept, because a search looks words up more than once."""
    question = normalise(question)
    found = [(language, analysis_of(language).stop_words(question)) for language in languages]
    dropped = max((words for _, words in found), key=len, default=set())
    rest = " ".join(word for word in question.split() if _bare(word) not in dropped)
    terms: dict[str, None] = {}
    for language, own in found:
        asked = question if own == dropped else rest
        terms.update(dict.fromkeys(analysis_of(language).content_terms(asked)))
    if not terms:
        for language, _ in found:
            terms.update(dict.fromkeys(analysis_of(language).terms(question)))
    return tuple(terms)


def matched_words(question: str, text: str, language: str) -> tuple[str, ...]:
    """Return the words of the question, as written there, that occur in a text of this language.

    Stop words do not count. Of unspaced scripts the longest stretches count.
    """
    held = set(analysis_of(language).terms(text))
    matched: dict[str, None] = {}
    for word, terms in _words_asked_for(question, language):
        if not terms:
            matched.update(dict.fromkeys(_matched_stretches(word, held)))
        elif not held.isdisjoint(terms):
            matched[word] = None
    return tuple(matched)


@lru_cache(maxsize=64)
def _words_asked_for(question: str, language: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the words of a question that count, each with the terms any of which shows that a text holds it.

    A name from code has one, the whole of it; what is written without spaces has none. Kept, because
    every hit is compared with them.
    """
    analysis = analysis_of(language)
    stop_words = analysis.stop_words(question)
    found: list[tuple[str, tuple[str, ...]]] = []
    for word in _words(question):
        if _RUN.match(word):
            found.append((word, ()))
        elif word.lower() not in stop_words and (terms := analysis.content_terms(word)):
            found.append((word, tuple(terms[-1:] if _NAME.fullmatch(word) else terms)))
    return tuple(found)


def normalise(text: str) -> str:
    """Return the text with compatibility forms (full width, ligatures, split accents) unified."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _prepare(text: str, *, asked: bool = False) -> tuple[str, list[str]]:
    """Return the part that is cut at spaces, and the terms that come from elsewhere.

    What is `asked` for needs no single characters beside the pairs that hold them.
    """
    extra: list[str] = []
    if not text.isascii():
        text = normalise(text)
        runs = _RUN.findall(text)
        if runs:
            text = _RUN.sub(" ", text)
            for run in runs:
                if len(run) == 1 or not asked:
                    extra.extend(run)
                extra.extend(run[i : i + 2] for i in range(len(run) - 1))
    if _NAME_HINT.search(text):
        extra.extend(name.lower() for name in _NAME.findall(text) if len(name) <= LONGEST_TERM)
    return text, extra


def _analyzer(filters: Sequence[Filter], *, marked: bool) -> TextAnalyzer:
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    builder = TextAnalyzerBuilder(Tokenizer.regex(_MARKED_WORD) if marked else Tokenizer.simple())
    for step in (Filter.remove_long(LONGEST_TERM), Filter.lowercase(), *filters):
        builder = builder.filter(step)
    return builder.build()


def _bare(word: str) -> str:
    return word.strip("¿¡?!.,;:()[]{}\"'“”„«»‘’").lower()


def _words(question: str) -> Iterator[str]:
    """Yield the words of a question; names from code whole, then their parts."""
    question = normalise(question)
    for name in _NAME.finditer(question):
        yield name.group()
    for word in _WORD.finditer(question):
        yield word.group()


def _matched_stretches(run: str, held: set[str]) -> Iterator[str]:
    start = 0
    for end in range(1, len(run) + 1):
        if end < len(run) and run[end - 1 : end + 1] in held:
            continue
        stretch = run[start:end]
        if len(stretch) > 1 or (len(run) == 1 and stretch in held):
            yield stretch
        start = end
