"""The `openbook` command: arguments in, text out.

Every command parses its arguments, calls one operation of `Library` and shows
the result; nothing is decided here that Python users would not get. Exit
codes: 0 done, 1 done with failures that the report names (or an error), 2
wrong use, 3 not found in the documents (`ask`), 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

DONE = 0
FAILED = 1
MISUSED = 2
NOT_FOUND = 3
INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Errors become one clear line on stderr."""
    import typer

    from openbook.cli.app import build_app, wanted_command
    from openbook.cli.failures import show_failure, show_misuse
    from openbook.errors import OpenbookError, UsageError

    as_json = "--json" in arguments
    try:
        app = build_app(wanted_command(arguments))
        code = app(list(arguments), prog_name="openbook", standalone_mode=False)
    except typer.TyperException as error:
        show_misuse(error, as_json=as_json)
        return error.exit_code
    except OpenbookError as error:
        code = MISUSED if isinstance(error, UsageError) else FAILED
        show_failure(error, code=code, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\nStopped.\n")
        return INTERRUPTED
    return code if isinstance(code, int) else DONE
