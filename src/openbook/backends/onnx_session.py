"""Opens ONNX Runtime sessions, and keeps ONNX Runtime from telling its maker.

From release 1.29 on, importing onnxruntime writes a device id and an event
database into the user's cache and uploads them, unless the environment says
otherwise before the import; `disable_telemetry_events()` comes too late. So
this is the only module that imports it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def open_session(model: str | bytes) -> onnxruntime.InferenceSession:
    """A session on one thread for a model's file or bytes.

    One thread: openbook runs several texts side by side on one session, which
    uses all cores better than splitting the products of one text, and leaves
    no threads that spin between two calls.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The graph is written fused; further optimising finds nothing and takes longer than loading.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3  # errors only; they are raised as well
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
