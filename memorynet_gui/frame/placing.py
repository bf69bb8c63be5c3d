"""Where a window may lie: with its title bar and its lower edge on the screen."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize

DEFAULT_SIZE = QSize(1440, 900)
FRAME_PX = QSize(16, 56)
"""What a window manager puts around a window, at the most: borders; title bar and lower border."""
_SHARE_OF_SCREEN = 0.8  # of a large one, the first time


def first_size(room: QSize, least: QSize) -> QSize:
    """Size of the window itself at a first start, where ``room`` px of the screen are free; never below ``least``."""
    wanted = DEFAULT_SIZE.expandedTo(room * _SHARE_OF_SCREEN)
    return wanted.boundedTo(room - FRAME_PX).expandedTo(least)


def kept_inside(client: QRect, frame: QRect, room: QRect, least: QSize) -> QRect:
    """Where the window itself must lie for ``frame``, which the window manager has put around it, to lie in ``room``.

    Smaller only where it has to be, and never below ``least``: then the title bar stays on the screen.
    """
    around = frame.size() - client.size()
    size = client.size().boundedTo(room.size() - around).expandedTo(least)
    whole = size + around
    corner = QPoint(
        max(min(frame.left(), room.right() + 1 - whole.width()), room.left()),
        max(min(frame.top(), room.bottom() + 1 - whole.height()), room.top()),
    )
    return QRect(corner + client.topLeft() - frame.topLeft(), size)
