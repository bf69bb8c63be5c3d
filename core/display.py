"""Whether this machine has a screen to open a window on; ``python -m core.display`` says why not.

Qt ends the whole program when it cannot reach the display it is told about, so one asks first.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

_TIMEOUT_S = 2.0


def why_no_display(
    environment: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    kept: contextlib.ExitStack | None = None,
) -> str | None:
    """None when a window can be opened, else the reason as a clause.

    The connection that asked is closed at once, or together with ``kept``. An X server without other clients starts anew
    when its last one leaves, and refuses whoever comes in that moment: keep it until the window has its own connection.
    """
    if platform in ("win32", "darwin") or environment.get("QT_QPA_PLATFORM"):
        return None
    wayland, x11 = environment.get("WAYLAND_DISPLAY", ""), environment.get("DISPLAY", "")
    if not wayland and not x11:
        return "neither DISPLAY nor WAYLAND_DISPLAY is set"
    if wayland:
        path = Path(environment.get("XDG_RUNTIME_DIR", "")) / wayland
        if _answers(socket.AF_UNIX, str(path), kept):
            return None
    if x11 and _x_answers(x11, kept):
        return None
    named = " and ".join(
        f"{name}={value}" for name, value in (("WAYLAND_DISPLAY", wayland), ("DISPLAY", x11)) if value
    )
    return f"no display answers at {named}"


def _x_answers(display: str, kept: contextlib.ExitStack | None) -> bool:
    parts = re.fullmatch(r"(?:(?P<host>[^:/]*)/?(?:unix)?)?:(?P<number>\d+)(?:\.\d+)?", display)
    if parts is None:
        return Path(display).exists()  # macOS style: the path of a socket
    number = int(parts["number"])
    if parts["host"] and parts["host"] != "unix":
        return _answers(socket.AF_INET, (parts["host"], 6000 + number), kept)
    path = f"/tmp/.X11-unix/X{number}"
    return _answers(socket.AF_UNIX, path, kept) or _answers(socket.AF_UNIX, f"\0{path}", kept)


def _answers(family: int, address: str | tuple[str, int], kept: contextlib.ExitStack | None) -> bool:
    with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        connection.settimeout(_TIMEOUT_S)
        connection.connect(address)
        if kept is not None:
            kept.push(stack.pop_all())
        return True
    return False


if __name__ == "__main__":
    _reason = why_no_display()
    sys.exit(_reason and f"No display here ({_reason}).")
