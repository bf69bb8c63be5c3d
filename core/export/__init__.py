"""Models out of and into other hands: a folder, an ONNX file, the Hugging Face layout, and plain weights back in.

The rooms behind it: :mod:`core.export.folder`, :mod:`core.export.onnx`, :mod:`core.export.import_weights`.
"""

from __future__ import annotations

from core.export.folder import ExportError, export_model, from_pretrained, save_pretrained
from core.export.import_weights import ImportFailed, guess_config, import_state_dict
from core.export.onnx import OnnxReport, export_onnx

__all__ = (
    "ExportError",
    "ImportFailed",
    "OnnxReport",
    "export_model",
    "export_onnx",
    "from_pretrained",
    "guess_config",
    "import_state_dict",
    "save_pretrained",
)
