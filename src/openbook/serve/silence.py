"""What FastAPI is told about telemetry: none.

It can report requests through OpenTelemetry, and by itself does so where some
other part of the process has set that up. Here every request may hold a
question about somebody's documents.
"""

from __future__ import annotations

from typing import Final

from fastapi.telemetry import TelemetryConfig

NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}
