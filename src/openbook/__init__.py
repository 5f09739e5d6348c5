"""openbook: ask your own documents and trust the answer.

The face of the package: about fifteen names, nothing defined here. They are
imported on first use (PEP 562), so that `import openbook` costs next to
nothing. The errors live in `openbook.errors`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openbook.errors import OpenbookError
    from openbook.library import Library
    from openbook.settings import Settings
    from openbook.types import (
        Answer,
        Chunk,
        Citation,
        Document,
        Evidence,
        Hit,
        Hits,
        Mark,
        Outcome,
        Progress,
        Report,
    )

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Chunk",
    "Citation",
    "Document",
    "Evidence",
    "Hit",
    "Hits",
    "Library",
    "Mark",
    "OpenbookError",
    "Outcome",
    "Progress",
    "Report",
    "Settings",
    "__version__",
]

_HOMES = {"Library": "openbook.library", "OpenbookError": "openbook.errors", "Settings": "openbook.settings"}
"""Where a name lives, if not among the nouns."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "openbook.types")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
