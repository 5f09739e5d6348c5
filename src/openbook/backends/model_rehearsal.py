"""One request answered in memory, so that the first real one leaves as fast as the second.

The clients under a language model import, compile and build a good deal only
when they are first used, which costs the first request 40 ms. Rehearsing does
that beforehand, where somebody has time for it; no connection is opened.

Refused: opening the connection itself beforehand, which would contact a server
before anybody has asked anything.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from openbook.backends.background_loop import submit
from openbook.backends.model_clients import client_settings, open_client
from openbook.backends.model_messages import model_messages, reply_parts, request_parameters
from openbook.backends.model_names import model_target
from openbook.types import Message

if TYPE_CHECKING:
    import httpx2

_REPLY: Final = (
    'data: {"id":"r","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":'
    '{"role":"assistant","content":"Yes"},"finish_reason":null}]}\n\n'
    'data: {"id":"r","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":'
    '{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n'
    "data: [DONE]\n\n"
)


@cache
def rehearse() -> None:
    """Have one request answered in memory; once per process, further calls do nothing."""
    submit(_rehearse()).result()


async def _rehearse() -> None:
    import httpx2
    from pydantic_ai.direct import model_request_stream

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=_REPLY)

    target = model_target("openai:rehearsal", base_url="http://127.0.0.1:9/v1", environment={})
    opened = open_client(target, key="", seconds=1.0, transport=httpx2.MockTransport(answer))
    request = model_messages([Message("system", "Answer."), Message("user", "Ready?")])
    async with model_request_stream(
        opened.model,
        request,
        model_settings=client_settings(target, max_tokens=1, seconds=1.0),
        model_request_parameters=request_parameters(()),
        instrument=False,
    ) as stream:
        async for _ in reply_parts(stream):
            continue
    await opened.close()
