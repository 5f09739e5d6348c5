"""A client's messages → the question, and the exchanges before it.

The last message is the question. Earlier ones become the conversation's
history, which helps to understand it; what an assistant said there proves
nothing, so it is never evidence.

Refused: obeying system messages. What an answer may say is decided by the
documents and checked against them; a client that wants another tone can
rewrite an answer, and a document or a stranger's prompt cannot change the
rules. They are accepted, because every chat program sends one, and the answer
notes that they were not followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from openbook.serve.http_api.parameters import LONGEST_QUESTION
from openbook.serve.openai_api.errors import Refused, short
from openbook.serve.openai_api.shown_text import without_ending
from openbook.types import Exchange

_TEXT_PARTS: Final = ("text", "input_text", "output_text")
_RULES: Final = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what was said before it. `texts` is all that was sent, for counting its tokens.

    `instructed` says that there were instructions for the model.
    """

    question: str
    history: tuple[Exchange, ...] = ()
    texts: tuple[str, ...] = ()
    instructed: bool = False


def asked_by_messages(messages: Sequence[Any], *, param: str = "messages") -> Asked:
    """The question of a list of messages. Raises Refused where there is none to answer."""
    exchanges: list[Exchange] = []
    texts: list[str] = []
    instructed = False
    role = ""
    for number, message in enumerate(messages):
        place = f"{param}[{number}]"
        role, text = _message(message, place)
        texts.append(text)
        if role in _RULES:
            instructed = True
        elif role == "user":
            exchanges.append(Exchange(text))
        elif exchanges:
            earlier = exchanges[-1].answer
            answer = without_ending(text)
            exchanges[-1] = replace(exchanges[-1], answer=f"{earlier}\n\n{answer}" if earlier else answer)
    if role != "user":
        raise Refused(f"The last message is not the user's but from {role!r}: nothing is asked.", param=param)
    return Asked(_question(exchanges.pop().question, param), tuple(exchanges), tuple(texts), instructed)


def asked_by_input(given: Any, *, instructions: str = "") -> Asked:
    """The question of a request for a response: a text, or a list of messages. Raises Refused."""
    if isinstance(given, str):
        asked = Asked(_question(given, "input"), texts=(given,))
    elif isinstance(given, list) and given:
        asked = asked_by_messages(given, param="input")
    else:
        raise Refused("input is missing; expected a text or a list of messages.", param="input")
    if instructions:
        asked = replace(asked, texts=(instructions, *asked.texts), instructed=True)
    return asked


def _message(message: Any, place: str) -> tuple[str, str]:
    if not isinstance(message, Mapping):
        raise Refused(f"{place} is no object with role and content.", param=place)
    role = message.get("role")
    if message.get("type", "message") != "message" or role not in (*_RULES, "user", "assistant"):
        raise Refused(
            f"{place} has the role {short(role)} and the type {short(message.get('type'))}; expected a "
            "message from 'system', 'developer', 'user' or 'assistant'. Tools cannot be called here.",
            param=place,
        )
    return str(role), _content(message.get("content"), f"{place}.content", empty=role == "assistant")


def _content(content: Any, place: str, *, empty: bool) -> str:
    if isinstance(content, str):
        return content
    if content is None and empty:
        return ""
    if not isinstance(content, list):
        raise Refused(f"{place} is no text and no list of parts.", param=place)
    parts = []
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        text = part.get("text") if isinstance(part, Mapping) else None
        if kind not in _TEXT_PARTS or not isinstance(text, str):
            raise Refused(
                f"{place}[{number}] is of the type {short(kind)}; expected 'text'. Images, sounds and files "
                "cannot be asked about: add files to the library.",
                param=f"{place}[{number}]",
            )
        parts.append(text)
    return "\n".join(parts)


def _question(text: str, param: str) -> str:
    text = text.replace("\0", " ")  # which ends a text in SQLite
    if not text.strip():
        raise Refused("The question is empty. Ask with at least one word.", param=param)
    if len(text) > LONGEST_QUESTION:
        raise Refused(
            f"The question has {len(text):,} characters; expected at most {LONGEST_QUESTION:,}. Add long "
            "texts to the library as documents, and ask about them.",
            param=param,
            code="string_above_max_length",
        )
    return text
