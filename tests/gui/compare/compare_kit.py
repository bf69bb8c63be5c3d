"""What tests of the comparison share."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt, QThreadPool
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from memorynet_gui.compare.view import CompareView

LEFT = Qt.MouseButton.LeftButton


def photo(w: int, h: int, seed: int = 0) -> np.ndarray:
    """Smooth enough to interpolate, different everywhere."""
    y, x = np.mgrid[:h, :w].astype(np.float32)
    waves = [np.sin(x / (37 + 11 * c) + seed) * np.cos(y / (29 + 7 * c)) for c in range(3)]
    return (127 + 110 * np.stack(waves, -1)).astype(np.uint8)


def flat(w: int, h: int, colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((h, w, 3), colour, np.uint8)


RED, GREEN, BLUE = (200, 30, 30), (30, 180, 40), (20, 40, 210)


def shown(view: QWidget) -> np.ndarray:
    """What is on screen, (H, W, 3) device pixels."""
    return pixels(view.grab().toImage())


def pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return raw[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def colour(view: QWidget, x: int, y: int) -> tuple[int, int, int]:
    red, green, blue = shown(view)[y, x].tolist()
    return red, green, blue


def wheel(
    view: QWidget, at: QPointF, turned: int, modifiers: Qt.KeyboardModifier | None = None
) -> QWheelEvent:
    event = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, turned),
        Qt.MouseButton.NoButton,
        modifiers or Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)
    return event


def drag(qtbot: QtBot, view: QWidget, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(view, LEFT, pos=start)
    for step in (0.3, 0.7, 1.0):
        qtbot.mouseMove(view, start + (end - start) * step)
    qtbot.mouseRelease(view, LEFT, pos=end)


def settle(qtbot: QtBot, view: CompareView) -> None:
    """Until the pyramids are built and the view has told where it looks."""
    qtbot.wait(60)
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(20)
