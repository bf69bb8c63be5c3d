"""Material Design icons from qtawesome's font, drawn as outlines.

Importing qtawesome costs 0.2 to 0.4 s (it pulls in Qt modules the window does not need), half of what the
first paint may take. Its font and table of names are plain files, so they are read from its folder; only
when a later version keeps them elsewhere is the package itself asked.
"""

from __future__ import annotations

import json
import logging
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QGuiApplication,
    QIcon,
    QPainter,
    QPainterPath,
    QPixmap,
    QRawFont,
    QTransform,
)

SIZES_PX = (16, 20, 24, 32)
_PREFIX = "mdi6."
_EM_PX = 480.0  # the font's grid is 24 units: 20 font pixels to each

log = logging.getLogger(__name__)


class UnknownIcon(KeyError):
    """No icon of that name."""


@cache
def _font() -> tuple[QRawFont, dict[str, str]] | None:
    """The font and its table (name -> hexadecimal code point), None when not where expected."""
    spec = find_spec("qtawesome")
    for root in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(root) / "fonts"
        fonts = sorted(folder.glob("materialdesignicons6-webfont-[0-9]*.ttf"))
        tables = sorted(folder.glob("materialdesignicons6-webfont-charmap-*.json"))
        if fonts and tables:
            font = QRawFont(str(fonts[-1]), _EM_PX, QFont.HintingPreference.PreferNoHinting)
            if font.isValid():
                return font, json.loads(tables[-1].read_text("utf-8"))
    log.info("icon font not in its usual place; asking qtawesome")
    return None


@cache
def outline(name: str) -> QPainterPath | None:
    """The icon's shape in a square of 24 by 24. None when the font's files are not readable directly.

    Raises :class:`UnknownIcon`.
    """
    found = _font()
    if found is None:
        return None
    font, table = found
    code = table.get(name.removeprefix(_PREFIX))
    if code is None or not name.startswith(_PREFIX):
        raise UnknownIcon(f"no icon {name!r}")
    glyphs = font.glyphIndexesForString(chr(int(code, 16)))
    path = font.pathForGlyph(glyphs[0])
    scale = 24 / _EM_PX
    # glyphs stand on a baseline `descent` above the bottom of the em square
    return QTransform(scale, 0, 0, scale, 0, 24 - font.descent() * scale).map(path)


def draw(painter: QPainter, name: str, rect: QRectF, colour: QColor) -> None:
    """Paint the icon into ``rect`` (square). For views that draw themselves. Raises :class:`UnknownIcon`."""
    path = outline(name)
    painter.save()
    if path is None:
        _from_package(name, colour).paint(painter, rect.toRect())
    else:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(rect.topLeft())
        painter.scale(rect.width() / 24, rect.height() / 24)
        painter.fillPath(path, colour)
    painter.restore()


def make(name: str, colour: QColor, disabled: QColor, checked: QColor | None = None) -> QIcon:
    """An icon in every size in use, for the screens at hand. Raises :class:`UnknownIcon`."""
    path = outline(name)
    if path is None:
        return _from_package(name, colour, disabled)
    icon = QIcon()
    ratios = {screen.devicePixelRatio() for screen in QGuiApplication.screens()} | {1.0}
    for size in SIZES_PX:
        for ratio in ratios:
            icon.addPixmap(_pixmap(path, size, ratio, colour), QIcon.Mode.Normal, QIcon.State.Off)
            icon.addPixmap(_pixmap(path, size, ratio, disabled), QIcon.Mode.Disabled, QIcon.State.Off)
            if checked is not None:
                icon.addPixmap(_pixmap(path, size, ratio, checked), QIcon.Mode.Normal, QIcon.State.On)
    return icon


def _pixmap(path: QPainterPath, size_px: int, ratio: float, colour: QColor) -> QPixmap:
    pixels = round(size_px * ratio)
    pixmap = QPixmap(pixels, pixels)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(pixels / 24, pixels / 24)
    painter.fillPath(path, colour)
    painter.end()
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def _from_package(name: str, colour: QColor, disabled: QColor | None = None) -> QIcon:
    import qtawesome

    try:
        return qtawesome.icon(name, color=colour, color_disabled=disabled or colour)
    except Exception as problem:  # qtawesome raises a bare Exception for a name it does not know
        raise UnknownIcon(f"no icon {name!r}: {problem}") from None
