"""How the entries of a script look on the wire: bodies, events of a stream, and their accidents."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.model_server.script import (
    CallTool,
    CutOff,
    Empty,
    EndEarly,
    Entry,
    Fail,
    FailInStream,
    Garbage,
    Hang,
    Part,
    Say,
    TooLong,
    UnknownModel,
)

_PIECE = re.compile(r"\s*\S+|\s+$")
_WORD = re.compile(r"\w+")
_MESSAGES = {401: "Incorrect API key provided", 429: "Rate limit reached", 500: "Internal server error"}


def answer_chat(handler: BaseHTTPRequestHandler, body: Mapping[str, Any], entry: Entry) -> None:
    """Answer one chat request as its entry says."""
    if _answered_as_failure(handler, body, entry):
        return
    if body.get("stream"):
        _stream(handler, body, entry)
    else:
        _whole(handler, body, entry)


def answer_embeddings(
    handler: BaseHTTPRequestHandler, body: Mapping[str, Any], entry: Entry, *, dimension: int
) -> None:
    """Answer one request for vectors: those of its texts, unless the entry misbehaves."""
    if _answered_as_failure(handler, body, entry):
        return
    texts = [body["input"]] if isinstance(body["input"], str) else list(body["input"])
    length = int(body.get("dimensions") or dimension)
    vectors = [] if isinstance(entry, Empty) else [vector_of(text, length) for text in texts]
    data = [
        {"object": "embedding", "index": number, "embedding": _encoded(vector, body.get("encoding_format"))}
        for number, vector in enumerate(vectors)
    ]
    tokens = sum(len(text.split()) for text in texts)
    answer = {"object": "list", "data": data, "model": body.get("model")}
    answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    _send_whole_or_part(handler, answer, entry)


def vector_of(text: str, dimension: int) -> list[float]:
    """A unit vector of hashed words: texts that share words are near. No words: the first axis."""
    vector = [0.0] * dimension
    for word in _WORD.findall(text.lower()):
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        vector[int.from_bytes(digest[:4]) % dimension] += 1.0 if digest[4] % 2 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector] if length else [1.0] + [0.0] * (dimension - 1)


def send_json(
    handler: BaseHTTPRequestHandler,
    value: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> None:
    """A whole JSON body."""
    _send_text(handler, json.dumps(value), status=status, headers=headers)


def send_error(handler: BaseHTTPRequestHandler, fail: Fail) -> None:
    """An error in OpenAI's shape, or the body that the entry gives."""
    headers = dict(fail.headers)
    if fail.retry_after is not None:
        headers["Retry-After"] = str(fail.retry_after)
    message = fail.message or _MESSAGES.get(fail.status, "Something went wrong")
    if fail.echo_key:
        message += f": {handler.headers.get('Authorization', '').removeprefix('Bearer ')}"
    kind = "server_error" if fail.status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": fail.code or None}
    text = json.dumps({"error": error}) if fail.body is None else fail.body
    _send_text(handler, text, status=fail.status, headers=headers)


def send_limit_error(handler: BaseHTTPRequestHandler, seconds: float) -> None:
    """The answer to a request above the rate limit: wait so long."""
    fail = Fail(429, code="rate_limit_exceeded", retry_after=math.ceil(seconds))
    send_error(handler, fail)


def _answered_as_failure(handler: BaseHTTPRequestHandler, body: Mapping[str, Any], entry: Entry) -> bool:
    """Answer entries that look the same for every kind of request; False for all others."""
    match entry:
        case Fail():
            send_error(handler, entry)
        case TooLong():
            message = (
                f"This model's maximum context length is {entry.limit} tokens. Please reduce the length."
            )
            send_error(handler, Fail(400, message=message, code="context_length_exceeded"))
        case UnknownModel():
            message = f"The model `{body.get('model')}` does not exist or you do not have access to it."
            send_error(handler, Fail(404, message=message, code="model_not_found"))
        case Hang(text=""):
            _until_the_client_leaves(handler.connection)
        case Garbage(text=""):
            _send_text(handler, "<html>this is not { JSON", status=200)
        case _:
            return False
    return True


def _whole(handler: BaseHTTPRequestHandler, body: Mapping[str, Any], entry: Entry) -> None:
    parts = _parts(entry)
    text, calls, finish, written = _limited(parts, body)
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = [_call(call, number) for number, call in enumerate(calls)]
    choice = {"index": 0, "message": message, "finish_reason": _finish(entry, calls, finish)}
    answer = _frame(body, "chat.completion")
    answer |= {"choices": [choice], "usage": _usage(body, written)}
    _send_whole_or_part(handler, answer, entry)


def _send_whole_or_part(handler: BaseHTTPRequestHandler, answer: Mapping[str, Any], entry: Entry) -> None:
    """Send a body, or, where the entry says so, half of it before the accident."""
    text = json.dumps(answer)
    if isinstance(entry, Garbage):
        _send_text(handler, text[: len(text) // 2], status=200)
    elif isinstance(entry, CutOff | Hang):
        _start(handler, {"Content-Type": "application/json", "Content-Length": str(len(text))})
        handler.wfile.write(text[: len(text) // 2].encode())
        handler.wfile.flush()
        _accident(handler, entry)
    else:
        _send_text(handler, text, status=200)


def _stream(handler: BaseHTTPRequestHandler, body: Mapping[str, Any], entry: Entry) -> None:
    _start(handler, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
    _event(handler, body, {"role": "assistant", "content": ""})
    parts = _parts(entry)
    _, calls, finish, written = _limited(parts, body)
    left, number = _limit(body), 0
    for part in parts:
        if isinstance(part, CallTool):
            for delta in _call_deltas(part, number):
                _event(handler, body, {"tool_calls": [delta]})
            number += 1
        else:
            left -= _say(handler, body, part, limit=left)
    if isinstance(entry, FailInStream):
        error = {"message": entry.message, "type": "server_error", "param": None, "code": entry.code}
        _chunk(handler, f"data: {json.dumps({'error': error})}\n\n")
    elif isinstance(entry, Garbage):
        _chunk(handler, 'data: {"choices": [{"delta": {"content": "tor\n\n')
    elif isinstance(entry, CutOff | Hang):
        _accident(handler, entry)
        return
    elif not isinstance(entry, EndEarly):
        _event(handler, body, {}, finish=_finish(entry, calls, finish))
        if (body.get("stream_options") or {}).get("include_usage"):
            last = _frame(body, "chat.completion.chunk") | {"choices": [], "usage": _usage(body, written)}
            _chunk(handler, f"data: {json.dumps(last)}\n\n")
        _chunk(handler, "data: [DONE]\n\n")
    handler.wfile.write(b"0\r\n\r\n")


def _say(handler: BaseHTTPRequestHandler, body: Mapping[str, Any], part: Say, *, limit: int) -> int:
    """Send a text word by word, its reasoning first, and return the number of words."""
    if part.reasoning:
        _event(handler, body, {"reasoning_content": part.reasoning})
    pieces = _PIECE.findall(part.text)[:limit]
    for number, piece in enumerate(pieces):
        if number == 1 and part.gate is not None:
            _wait(handler.connection, part.gate)
        _event(handler, body, {"content": piece})
    return len(pieces)


def _wait(connection: socket.socket, gate: threading.Event) -> None:
    """Wait until the gate opens. Raises ConnectionAbortedError if the client leaves first."""
    while not gate.wait(0.01):
        if select.select([connection], [], [], 0)[0] and not connection.recv(1, socket.MSG_PEEK):
            raise ConnectionAbortedError("the client has left")


def _accident(handler: BaseHTTPRequestHandler, entry: CutOff | Hang) -> None:
    if isinstance(entry, Hang):
        _until_the_client_leaves(handler.connection)
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def _until_the_client_leaves(connection: socket.socket) -> None:
    """Return never: the connection ends, by the client or by the closing server."""
    if connection.recv(1, socket.MSG_PEEK):
        raise AssertionError("a client sent more before it had its answer")
    raise ConnectionAbortedError("the client has left")


def _parts(entry: Entry) -> tuple[Part, ...]:
    match entry:
        case Say() | CallTool():
            return (entry,)
        case tuple():
            return entry
        case CutOff() | EndEarly() | Hang() | Garbage() | FailInStream():
            return (Say(entry.text),) if entry.text else ()
        case _:
            return ()


def _limit(body: Mapping[str, Any]) -> int:
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return int(limit) if limit else 1_000_000


def _limited(parts: Sequence[Part], body: Mapping[str, Any]) -> tuple[str, list[CallTool], str, int]:
    """(text within max_tokens, calls, finish reason by the text, number of words)."""
    says = [part for part in parts if isinstance(part, Say)]
    pieces = [piece for part in says for piece in _PIECE.findall(part.text)]
    limit = _limit(body)
    finish = "length" if len(pieces) > limit else (says[-1].finish if says else "stop")
    calls = [part for part in parts if isinstance(part, CallTool)]
    return "".join(pieces[:limit]), calls, finish, min(len(pieces), limit)


def _finish(entry: Entry, calls: Sequence[CallTool], finish: str) -> str:
    if isinstance(entry, Empty):
        return entry.finish
    return "tool_calls" if calls else finish


def _call(call: CallTool, number: int) -> dict[str, Any]:
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id or f"call_{number}", "type": "function", "function": function}


def _call_deltas(call: CallTool, number: int) -> Iterator[dict[str, Any]]:
    """A call as servers stream it: its name first, then its arguments in two pieces."""
    whole = _call(call, number)
    arguments = whole["function"]["arguments"]
    whole["function"]["arguments"] = ""
    yield {"index": number, **whole}
    half = len(arguments) // 2
    for piece in (arguments[:half], arguments[half:]):
        if piece:
            yield {"index": number, "function": {"arguments": piece}}


def _frame(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-test", "object": kind, "created": 1_700_000_000, "model": body.get("model")}


def _usage(body: Mapping[str, Any], written: int) -> dict[str, int]:
    asked = sum(len(str(message.get("content") or "").split()) for message in body.get("messages", ()))
    return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}


def _event(
    handler: BaseHTTPRequestHandler,
    body: Mapping[str, Any],
    delta: Mapping[str, Any],
    *,
    finish: str | None = None,
) -> None:
    frame = _frame(body, "chat.completion.chunk")
    frame["choices"] = [{"index": 0, "delta": delta, "finish_reason": finish}]
    _chunk(handler, f"data: {json.dumps(frame)}\n\n")


def _chunk(handler: BaseHTTPRequestHandler, text: str) -> None:
    content = text.encode()
    handler.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
    handler.wfile.flush()


def _start(handler: BaseHTTPRequestHandler, headers: Mapping[str, str], status: int = 200) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def _send_text(
    handler: BaseHTTPRequestHandler, text: str, *, status: int, headers: Mapping[str, str] | None = None
) -> None:
    content = text.encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
    _start(handler, fields, status)
    handler.wfile.write(content)
    handler.wfile.flush()


def _encoded(vector: Sequence[float], encoding: object) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return list(vector)
