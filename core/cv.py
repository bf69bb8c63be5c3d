"""The one place that imports OpenCV.

OpenCV's wheels point Qt at plug-ins and fonts of their own when they are imported, which breaks the
PySide6 that the window uses; everything else imports ``cv2`` from here.
"""

import os

_QT_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
_before = {name: os.environ.get(name) for name in _QT_VARIABLES}

import cv2  # noqa: E402

for _name, _value in _before.items():
    if _value is None:
        os.environ.pop(_name, None)
    else:
        os.environ[_name] = _value

__all__ = ["cv2"]
