"""Builds pyramids beside the UI thread."""

from __future__ import annotations

import weakref

from PySide6.QtCore import QObject, QRunnable, QThreadPool, Signal

from memorynet_gui.view_compare_layers import Abandoned, Pyramid, build_levels


class PyramidBuilder(QObject):
    """Builds the levels of pyramids on the thread pool. Has no parent: a worker may outlive the widget.

    Only a weak hold is kept on a pyramid: dropping it abandons its building at the next strip.
    """

    built = Signal(object, object)
    """A :class:`Pyramid` still in use, and its levels; delivered on the receiver's thread."""

    def start(self, pyramid: Pyramid) -> None:
        if pyramid.top > 0:
            QThreadPool.globalInstance().start(_Build(pyramid, self))


class _Build(QRunnable):
    def __init__(self, pyramid: Pyramid, builder: PyramidBuilder) -> None:
        super().__init__()
        self._pyramid = weakref.ref(pyramid)
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
