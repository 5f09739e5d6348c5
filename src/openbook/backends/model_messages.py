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
    """Text as it arrives, and each call when it is whole. What a model only thinks is left out."""
    async for event in events:
        match event:
            case (
                PartStartEvent(part=TextPart(content=text))
                | PartDeltaEvent(delta=TextPartDelta(content_delta=text))
            ):
                if text:
                    yield text
            case PartEndEvent(part=ToolCallPart() as part):
                yield ToolCall(part.tool_name, _arguments(part), part.tool_call_id)
            case _:
                continue


def _arguments(part: ToolCallPart) -> str:
    if isinstance(part.args, str):
        return part.args
    return json.dumps(part.args or {}, ensure_ascii=False)
