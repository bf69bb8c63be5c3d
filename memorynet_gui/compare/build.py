"""Builds pyramids beside the UI thread."""

from __future__ import annotations

import weakref

from PySide6.QtCore import QObject, QRunnable, QThreadPool, QTimer, Signal

from memorynet_gui.compare.layers import Abandoned, Pyramid, build_levels

_WAIT_MS = 30


class PyramidBuilder(QObject):
    """Builds the levels of pyramids on the thread pool. Has no parent: a worker may outlive the widget.

    Only a weak hold is kept on a pyramid: dropping it abandons its building at the next strip. Building
    begins a moment after it was asked for, so that it does not take memory bandwidth from the first paint.
    """

    built = Signal(object, object)
    """A :class:`Pyramid` still in use, and its levels; delivered on the receiver's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[weakref.ref[Pyramid]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MS)
        self._timer.timeout.connect(self._begin)

    def start(self, pyramid: Pyramid) -> None:
        if pyramid.top > 0:
            self._waiting.append(weakref.ref(pyramid))
            self._timer.start()

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for pyramid in waiting:
            QThreadPool.globalInstance().start(_Build(pyramid, self))


class _Build(QRunnable):
    def __init__(self, pyramid: weakref.ref[Pyramid], builder: PyramidBuilder) -> None:
        super().__init__()
        self._pyramid = pyramid
        self._builder = builder

    def run(self) -> None:
        pyramid = self._pyramid()
        if pyramid is None:
            return
        base = pyramid.base
        del pyramid  # or it could not be dropped while its levels are built
        try:
            levels = build_levels(base, wanted=lambda: self._pyramid() is not None)
        except Abandoned:
            return
        pyramid = self._pyramid()
        if pyramid is not None:
            self._builder.built.emit(pyramid, levels)
