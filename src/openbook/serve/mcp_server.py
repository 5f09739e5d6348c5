"""The MCP server over the libraries of a shelf: what both transports, stdio and HTTP, run.

It translates between the protocol and the tools, resources and prompts beside
this module. What goes wrong in a tool is a result that says so, which a model
can act on; what a client got wrong about the protocol is a protocol error.

Refused: the SDK's decorators, which derive schemas from signatures and leave
no room for paging, for results in the JSON form of every surface, or for names
that depend on the libraries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

from mcp import types as protocol
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

from openbook.errors import OpenbookError
from openbook.serve.desk import Desk, Shelf
from openbook.serve.mcp_prompts import INSTRUCTIONS, PROMPTS, filled
from openbook.serve.mcp_resources import TEMPLATE, address, page_of, text_at, text_type
from openbook.serve.mcp_schemas import input_schema
from openbook.serve.mcp_tools import TOOLS, Tools

P = ParamSpec("P")
T = TypeVar("T")
Context: TypeAlias = ServerRequestContext[Any, Any]

MOST_COMPLETIONS: Final = 100
"""What the protocol allows."""

_LOG: Final = logging.getLogger("openbook.serve.mcp")
_READS: Final = protocol.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def create_server(shelf: Shelf) -> Server[Any]:
    """The server; it holds nothing of a client, so that one may serve many at the same time."""
    offer = _Offer(shelf)
    return Server(
        "openbook",
        version=version("openbook"),
        title="openbook",
        description="Search the user's own documents and answer from them, with checked citations.",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=offer.schemas.get,
        on_list_tools=offer.list_tools,
        on_call_tool=offer.call_tool,
        on_list_resources=offer.list_resources,
        on_list_resource_templates=offer.list_templates,
        on_read_resource=offer.read_resource,
        on_list_prompts=offer.list_prompts,
        on_get_prompt=offer.get_prompt,
        on_completion=offer.complete,
    )


class _Offer:
    """The handlers of the server, over one shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._tools = Tools(shelf)
        self._names = [desk.name for desk in shelf]
        self.schemas: Mapping[str, dict[str, Any]] = {
            tool.name: input_schema(tool.takes, self._names) for tool in TOOLS
        }

    async def list_tools(
        self, _context: Context, _params: protocol.PaginatedRequestParams | None
    ) -> protocol.ListToolsResult:
        return protocol.ListToolsResult(
            tools=[
                protocol.Tool(
                    name=tool.name,
                    title=tool.title,
                    description=tool.description,
                    input_schema=self.schemas[tool.name],
                    output_schema=dict(tool.gives),
                    annotations=_READS,
                )
                for tool in TOOLS
            ]
        )

    async def call_tool(
        self, context: Context, params: protocol.CallToolRequestParams
    ) -> protocol.CallToolResult:
        if params.name not in self.schemas:
            raise _wrong(f"There is no tool {params.name!r}. The tools are: {', '.join(self.schemas)}.")

        async def notice(number: float, message: str) -> None:
            await context.session.report_progress(number, message=message)

        try:
            told = await self._tools.call(params.name, params.arguments, notice)
        except OpenbookError as error:
            return _failed(str(error))
        except Exception as error:  # noqa: BLE001 (a bug in one call must not end the connection)
            _LOG.exception("The tool %s failed", params.name)
            return _failed(
                f"{params.name} failed inside openbook ({type(error).__name__}). The server's log says more."
            )
        return protocol.CallToolResult(
            content=[protocol.TextContent(text=told.text)], structured_content=told.value
        )

    async def list_resources(
        self, _context: Context, params: protocol.PaginatedRequestParams | None
    ) -> protocol.ListResourcesResult:
        page = await self._read(page_of, self._shelf, params.cursor if params else None)
        return protocol.ListResourcesResult(
            resources=[
                protocol.Resource(
                    uri=address(library, record.id),
                    name=record.path,
                    title=record.title or record.path,
                    mime_type=text_type(record.media_type),
                    annotations=protocol.Annotations(last_modified=record.modified_at or None),
                )
                for library, record in page.documents
            ],
            next_cursor=page.next,
        )

    async def list_templates(
        self, _context: Context, _params: protocol.PaginatedRequestParams | None
    ) -> protocol.ListResourceTemplatesResult:
        template = protocol.ResourceTemplate(
            uri_template=TEMPLATE,
            name="document",
            title="A document of a library",
            description="The text of a document, by the name of its library and its id.",
        )
        return protocol.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(
        self, _context: Context, params: protocol.ReadResourceRequestParams
    ) -> protocol.ReadResourceResult:
        uri = str(params.uri)
        found = await self._read(text_at, self._shelf, uri)
        return protocol.ReadResourceResult(
            contents=[protocol.TextResourceContents(uri=uri, mime_type=found.media_type, text=found.text)]
        )

    async def list_prompts(
        self, _context: Context, _params: protocol.PaginatedRequestParams | None
    ) -> protocol.ListPromptsResult:
        return protocol.ListPromptsResult(
            prompts=[
                protocol.Prompt(
                    name=prompt.name,
                    title=prompt.title,
                    description=prompt.description,
                    arguments=[
                        protocol.PromptArgument(name=name, description=text, required=name in prompt.needs)
                        for name, text in {**prompt.needs, **prompt.takes}.items()
                    ],
                )
                for prompt in PROMPTS
            ]
        )

    async def get_prompt(
        self, _context: Context, params: protocol.GetPromptRequestParams
    ) -> protocol.GetPromptResult:
        try:
            prompt, text = filled(params.name, params.arguments)
        except OpenbookError as error:
            raise _wrong(str(error)) from error
        message = protocol.PromptMessage(role="user", content=protocol.TextContent(text=text))
        return protocol.GetPromptResult(description=prompt.description, messages=[message])

    async def complete(
        self, _context: Context, params: protocol.CompleteRequestParams
    ) -> protocol.CompleteResult:
        """Names of libraries, and paths or ids of documents, that begin with or hold what was typed."""
        typed = params.argument.value.casefold()
        chosen = (params.context.arguments or {}) if params.context else {}
        match params.argument.name:
            case "library":
                fitting = [name for name in self._names if typed in name.casefold()]
            case "document" | "first" | "second":
                fitting = await self._read(_paths, self._shelf.desk(_known(chosen, self._names)), typed)
            case "id":
                fitting = await self._read(_ids, self._shelf.desk(_known(chosen, self._names)), typed)
            case _:
                fitting = []
        return protocol.CompleteResult(
            completion=protocol.Completion(
                values=fitting[:MOST_COMPLETIONS],
                total=len(fitting),
                has_more=len(fitting) > MOST_COMPLETIONS,
            )
        )

    async def _read(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Run something that reads, off the event loop. What it cannot do is the client's error."""
        try:
            return await self._shelf.desk().background.run(function, *arguments, **options)
        except OpenbookError as error:
            raise _wrong(str(error)) from error


def _known(chosen: Mapping[str, str], names: list[str]) -> str:
    name = chosen.get("library", "")
    return name if name in names else ""


def _paths(desk: Desk, typed: str) -> list[str]:
    return [record.path for record in desk.documents() if typed in record.path.casefold()]


def _ids(desk: Desk, typed: str) -> list[str]:
    return [str(record.id) for record in desk.documents() if str(record.id).startswith(typed)]


def _failed(message: str) -> protocol.CallToolResult:
    return protocol.CallToolResult(content=[protocol.TextContent(text=message)], is_error=True)


def _wrong(message: str) -> MCPError:
    return MCPError(protocol.INVALID_PARAMS, message)
