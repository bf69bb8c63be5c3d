"""What training and its curves import late, imported when nobody waits for it; see :mod:`memorynet_gui.base.warm_up`."""

from __future__ import annotations

import logging
import threading
import time

from memorynet_gui.base import warm_up

_is_ready_to_train = threading.Event()

log = logging.getLogger(__name__)


def for_training() -> None:
    """Import what a run and its curves need; at once when that was done before. Never raises: the run will say it."""
    with warm_up.one_at_a_time:
        if _is_ready_to_train.is_set():
            return
        began = time.perf_counter()
        try:
            with warm_up.imports():
                from core.training import ready as training_ready

                _import_curves()
                training_ready.import_all()
                from PIL import Image

                from core.doctor import aftercare  # noqa: F401  # what follows a run: samples, thresholds
                from core.restoring import calibration  # noqa: F401
                from core.training import own_samples  # noqa: F401

                Image.init()  # thumbnails of samples; else it looks for its formats when the first is written
                import wakepy  # noqa: F401  # of memorynet_gui.train.awake
        except Exception as error:
            log.warning("not everything that training needs could be imported: %s", error, exc_info=error)
        _is_ready_to_train.set()
        log.debug("imported what training needs in %.0f ms", 1000 * (time.perf_counter() - began))


def begin_for_training() -> threading.Thread:
    """:func:`for_training` on a thread of its own."""
    thread = threading.Thread(target=for_training, name="memorynet-warm-up", daemon=True)
    thread.start()
    return thread


def _import_curves() -> None:
    """As :class:`memorynet_gui.curves.board.CurveBoard` does when it is first shown; makes no object of Qt's."""
    from memorynet_gui.curves import card, draw  # noqa: F401
