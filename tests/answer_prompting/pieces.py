"""Evidence for tests, and prompts taken apart by their fences, as a careful reader would."""

from __future__ import annotations

import re
from collections.abc import Sequence

from openbook.types import Evidence, Message

_FENCED = re.compile(
    r"^=== (?P<name>.+?) begins (?P<code>\d{12}) ===\n(?P<text>.*?)\n=== (?P=name) ends (?P=code) ===$",
    re.DOTALL | re.MULTILINE,
)


def piece(number: int, text: str, *, path: str = "", title: str = "", place: str = "") -> Evidence:
    path = path or f"document-{number}.md"
    return Evidence(
        number, path, number, 0, len(text), None, "", text, 1.0 / number, title=title, place=place
    )


def pieces(count: int, words: int = 20) -> list[Evidence]:
    """Pieces of so many words, each of which says something of its own."""
    rest = " ".join("word" for _ in range(words - 4))
    return [piece(number, f"Fact {number} is v{number}. {rest}") for number in range(1, count + 1)]


def code_of(messages: Sequence[Message]) -> str:
    """The code that the program says it uses: it is the first thing in the user's message."""
    first = messages[-1].text.splitlines()[0]
    found = re.search(r"with the code (\d{12}):", first)
    assert found is not None, first
    return found.group(1)


def fenced_parts(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """What stands between fences with the program's own code, as (name, text)."""
    if messages[-1].text.startswith("Question: "):
        return []
    code = code_of(messages)
    return [
        (match["name"], match["text"])
        for match in _FENCED.finditer(messages[-1].text)
        if match["code"] == code
    ]


def numbers(messages: Sequence[Message]) -> list[int]:
    """Numbers of the evidence in a prompt."""
    return [
        int(name.removeprefix("evidence [").removesuffix("]"))
        for name, _ in fenced_parts(messages)
        if name.startswith("evidence [")
    ]


def outside(messages: Sequence[Message]) -> str:
    """What a prompt says outside of all fences."""
    code = code_of(messages)
    return _FENCED.sub(lambda match: "" if match["code"] == code else match.group(), messages[-1].text)
