"""`openbook serve`: a web page, an HTTP API, an OpenAI-compatible API and MCP, in one process on one port.

Every surface goes through a `Desk` to one `Library`; none of them searches,
answers or writes by itself. What changes a library runs as a job in a process
of its own, so that questions are answered meanwhile.

    options → shelf (desks: library, jobs, uploads, removals) → surfaces → guard → server

The dependencies are the extra `serve`; nothing here is imported before
`openbook serve` or `openbook mcp` runs.
"""
