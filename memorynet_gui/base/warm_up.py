"""Imports at a time when nobody waits, and out of the way of Python's collector: both would hold up the window.

Torch and what it brings are a million objects that stay for good. Walking them all, as the collector does now and
then on whichever thread is at it, keeps every other thread from running for 150 to 220 ms.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_one_at_a_time = threading.RLock()
_is_ready_to_train = threading.Event()

log = logging.getLogger(__name__)


def spare_the_collector() -> None:
    """What is there now is walked no more. What is let go of is freed all the same, unless it refers to itself."""
    gc.freeze()


@contextmanager
def imports() -> Iterator[None]:
    """Around imports: the collector rests meanwhile, and their objects are kept from it afterwards.

    One thread at a time: who trains waits here for what is being imported, so that nothing of a run, which does
    refer to itself, is ever kept from the collector.
    """
    with _one_at_a_time:
        was_on = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            spare_the_collector()
            if was_on:
                gc.enable()


def for_training() -> None:
    """Import what a run and its curves need; at once when that was done before. Never raises: the run will say it."""
    with _one_at_a_time:
        if _is_ready_to_train.is_set():
            return
        began = time.perf_counter()
        try:
            with imports():
                from core.training import ready as training_ready

                _import_curves()
                training_ready.import_all()
                import wakepy  # noqa: F401  # of train_awake
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
