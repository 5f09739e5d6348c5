"""Bodies of requests as values, everything in them checked before any work begins.

A parameter that has no effect here and promises none (temperature, seed,
user …) is accepted; one whose effect a client would rely on and not get (n,
tools, a response format, stop words …) is refused with its name. The rest of
OpenAI's parameters are added faster than anybody can list them, so an unknown
one is no error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from openbook.serve.http_api.parameters import LONGEST_LINE, MOST_HITS
from openbook.serve.openai_api.errors import Refused, short
from openbook.serve.openai_api.messages import Asked, asked_by_input, asked_by_messages

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_CONDITIONS: Final = 50
MOST_INPUTS: Final = 2048
"""Texts in one request for embeddings, as at OpenAI."""

_WITHOUT_EFFECT: Final[Mapping[str, tuple[object, ...]]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "stop": ([], ""),
    "logit_bias": ({},),
    "web_search_options": ({},),
    "background": (False,),
    "previous_response_id": ("",),
    "conversation": ("",),
    "prompt": (),
    "include": ([],),
    "text": ({"format": {"type": "text"}}, {}),
}
"""Parameters that cannot be fulfilled, and the values of each that ask for nothing (null does too)."""

_INSTEAD: Final[Mapping[str, str]] = {
    "previous_response_id": "Nothing is stored here: send the earlier messages in input.",
    "conversation": "Nothing is stored here: send the earlier messages in input.",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """The field `openbook` of a request: what OpenAI's parameters have no name for.

    `sources` says whether the text ends with a list of the sources.
    """

    sources: bool = True
    k: int | None = None
    where: tuple[str, ...] = ()
    strict: bool = False
    model: str | None = None

    def options(self) -> dict[str, Any]:
        """The options of `Desk.ask` that these are."""
        return {"k": self.k, "where": self.where, "strict": self.strict, "model": self.model}


@dataclass(frozen=True, slots=True)
class Question:
    """A request for an answer. `model` names the library; `most_tokens` limits what a model writes."""

    model: str
    asked: Asked
    stream: bool = False
    include_usage: bool = False
    most_tokens: int | None = None
    wishes: Wishes = field(default_factory=Wishes)


@dataclass(frozen=True, slots=True)
class Texts:
    """A request for embeddings. `model` names an embedder, or a library whose embedder is meant."""

    model: str
    texts: tuple[str, ...]
    base64: bool = False
    dimensions: int | None = None
    query: bool = False


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that was sent. Raises Refused for anything else."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(f"The body of the request is not JSON: {reason}.") from None
    if not isinstance(body, dict):
        raise Refused(f"The body of the request is a JSON {type(body).__name__}; expected an object.")
    return body


def chat_question(body: Mapping[str, Any]) -> Question:
    """The body of a request for a chat completion. Raises Refused."""
    _refuse_what_is_not_there(body)
    asked = asked_by_messages(_list(body, "messages"))
    options = _object(body, "stream_options")
    most = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    return Question(
        _model(body),
        asked,
        stream=_flag(body, "stream"),
        include_usage=_flag(options, "include_usage", "stream_options."),
        most_tokens=_positive(body, most),
        wishes=_wishes(body),
    )


def response_question(body: Mapping[str, Any]) -> Question:
    """The body of a request for a response. Raises Refused."""
    _refuse_what_is_not_there(body)
    instructions = body.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise Refused(f"instructions is {short(instructions)}; expected a string.", param="instructions")
    return Question(
        _model(body),
        asked_by_input(body.get("input"), instructions=instructions or ""),
        stream=_flag(body, "stream"),
        most_tokens=_positive(body, "max_output_tokens"),
        wishes=_wishes(body),
    )


def texts_to_embed(body: Mapping[str, Any]) -> Texts:
    """The body of a request for embeddings. Raises Refused."""
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise Refused(
            f"encoding_format is {short(form)}; expected 'float' or 'base64'.", param="encoding_format"
        )
    role = _object(body, "openbook").get("role", "document")
    if role not in ("query", "document"):
        raise Refused(
            f"openbook.role is {short(role)}; expected 'query' or 'document'.", param="openbook.role"
        )
    return Texts(
        _model(body),
        _inputs(body.get("input")),
        base64=form == "base64",
        dimensions=_positive(body, "dimensions"),
        query=role == "query",
    )


def _inputs(given: Any) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise Refused(f"input is {short(given)}; expected a string or a list of strings.", param="input")
    if len(texts) > MOST_INPUTS:
        raise Refused(f"input holds {len(texts):,} texts; expected at most {MOST_INPUTS:,}.", param="input")
    for number, text in enumerate(texts):
        if isinstance(text, int | list):
            raise Refused(
                "input holds token numbers, which mean other words in every model. Send the text itself "
                "(in LangChain: check_embedding_ctx_length=False).",
                param="input",
            )
        if not isinstance(text, str) or not text:
            raise Refused(
                f"input[{number}] is {short(text)}; expected a string that is not empty.", param="input"
            )
    return tuple(texts)


def _refuse_what_is_not_there(body: Mapping[str, Any]) -> None:
    for name, harmless in _WITHOUT_EFFECT.items():
        value = body.get(name)
        if value is None or value in harmless:
            continue
        if name == "text" and isinstance(value, dict) and value.get("format") in (None, {"type": "text"}):
            continue  # only how wordy the answer should be
        instead = _INSTEAD.get(name, f"Leave {name} out.")
        raise Refused(
            f"This server cannot fulfil {name}={short(value)}. {instead}",
            param=name,
            code="unsupported_parameter",
        )


def _wishes(body: Mapping[str, Any]) -> Wishes:
    given = _object(body, "openbook")
    known = Wishes.__dataclass_fields__.keys()
    unknown = sorted(given.keys() - known)
    if unknown:
        raise Refused(
            f"openbook.{unknown[0]} is unknown; expected: {', '.join(sorted(known))}.",
            param=f"openbook.{unknown[0]}",
        )
    where = given.get("where") or []
    if not isinstance(where, list) or len(where) > MOST_CONDITIONS or not all(map(_is_line, where)):
        raise Refused(
            f"openbook.where is {short(where)}; expected a list of conditions such as 'path=notes*'.",
            param="openbook.where",
        )
    k = _positive(given, "k", "openbook.")
    if k is not None and k > MOST_HITS:
        raise Refused(f"openbook.k is {k}; expected at most {MOST_HITS}.", param="openbook.k")
    model = given.get("model")
    if model is not None and not isinstance(model, str):
        raise Refused(
            f"openbook.model is {short(model)}; expected 'provider:name' or 'none'.", param="openbook.model"
        )
    return Wishes(
        sources=_flag(given, "sources", "openbook.", default=True),
        k=k,
        where=tuple(where),
        strict=_flag(given, "strict", "openbook."),
        model=model,
    )


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refused(
            f"model is {short(model)}; expected the name of a model (GET /v1/models lists them).",
            param="model",
        )
    return model


def _flag(body: Mapping[str, Any], name: str, prefix: str = "", *, default: bool = False) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Refused(f"{prefix}{name} is {short(value)}; expected true or false.", param=prefix + name)
    return value


def _positive(body: Mapping[str, Any], name: str, prefix: str = "") -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise Refused(
            f"{prefix}{name} is {short(value)}; expected a whole number from 1 on.", param=prefix + name
        )
    return value


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{name} is {short(value)}; expected an object.", param=name)
    return value


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if not isinstance(value, list) or not value:
        raise Refused(f"{name} is {short(value)}; expected a list that is not empty.", param=name)
    return value


def _is_line(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_LINE and "\0" not in value
