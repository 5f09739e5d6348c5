"""Messages and tools of openbook in the form of pydantic-ai, and its events back as text and calls.

What a message says is passed on as it is: no instruction, no framing is added.
(For servers that might read the control tokens of a chat template in the middle
of a text, pydantic-ai breaks these with an invisible character, and takes it
out of the reply again.)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Final

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    SystemPromptPart,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from openbook.answer.language_model import Tool
from openbook.errors import UsageError
from openbook.types import Message, ToolCall

_THINK, _THOUGHT = "<think>", "</think>"
FINISH: Final = {"stop": "stop", "length": "length", "tool_call": "tools"}
"""pydantic-ai's reasons for the end of a reply, in openbook's words."""


def model_messages(messages: Sequence[Message]) -> list[ModelMessage]:
    """The messages as pydantic-ai has them: what is asked between two replies is one request.

    Raises UsageError for a tool's result whose call no message holds.
    """
    names = {call.id: call.name for message in messages for call in message.calls}
    made: list[ModelMessage] = []
    asked: list[ModelRequestPart] = []
    for message in messages:
        if message.role == "assistant":
            if asked:
                made.append(ModelRequest(parts=asked))
                asked = []
            said: list[ModelResponsePart] = [TextPart(message.text)] if message.text else []
            said += [ToolCallPart(call.name, call.arguments, tool_call_id=call.id) for call in message.calls]
            made.append(ModelResponse(parts=said))
        elif message.role == "tool":
            if message.call_id not in names:
                raise UsageError(
                    f"A tool's message answers the call {message.call_id!r}, which no message makes."
                )
            asked.append(ToolReturnPart(names[message.call_id], message.text, tool_call_id=message.call_id))
        elif message.role == "system":
            asked.append(SystemPromptPart(message.text))
        else:
            asked.append(UserPromptPart(message.text))
    if asked:
        made.append(ModelRequest(parts=asked))
    return made


def request_parameters(tools: Sequence[Tool]) -> ModelRequestParameters:
    """The tools that a model may call."""
    definitions = [
        # Not strict: strictness rewrites schemas, and who calls the tool checks the arguments anyway.
        ToolDefinition(
            name=tool.name,
            description=tool.description,
            parameters_json_schema=dict(tool.parameters),
            strict=False,
        )
        for tool in tools
    ]
    return ModelRequestParameters(function_tools=definitions, allow_text_output=True)


async def reply_parts(events: AsyncIterable[ModelResponseStreamEvent]) -> AsyncIterator[str | ToolCall]:
    """Text as it arrives, from its first visible character, and each call when it is whole.

    What a model only thinks is left out.
    """
    opening = _Opening()
    async for event in events:
        match event:
            case (
                PartStartEvent(part=TextPart(content=text))
                | PartDeltaEvent(delta=TextPartDelta(content_delta=text))
            ):
                if text := opening.said(text):
                    yield text
            case PartEndEvent(part=ToolCallPart() as part):
                yield ToolCall(part.tool_name, _arguments(part), part.tool_call_id)
            case _:
                continue
    if text := opening.rest():
        yield text


class _Opening:
    """Takes white space and thinking in tags from the beginning of a text that arrives in pieces.

    pydantic-ai knows the tags only where each is a piece of its own, and takes
    all the rest for thinking where the second one is not; so it looks for none.
    """

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False
        self._over = False

    def said(self, text: str) -> str:
        """What can be shown now that this has arrived, too."""
        if self._over:
            return text
        self._held += text
        while not self._over:
            if self._thinking:
                _, tag, after = self._held.partition(_THOUGHT)
                if not tag:
                    break
                self._held, self._thinking = after, False
            self._held = self._held.lstrip()
            if self._held.startswith(_THINK):
                self._thinking = True
            elif _THINK.startswith(self._held):  # nothing yet, or what may become the tag
                break
            else:
                self._over = True
        return self.rest() if self._over else ""

    def rest(self) -> str:
        """What is held back, if it was no thinking. To be asked at the end."""
        held, self._held = self._held, ""
        return "" if self._thinking else held


def _arguments(part: ToolCallPart) -> str:
    if isinstance(part.args, str):
        return part.args
    return json.dumps(part.args or {}, ensure_ascii=False)
