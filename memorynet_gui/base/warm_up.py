"""Imports at a time when nobody waits, and out of the way of Python's collector: both would hold up the window.

Torch and what it brings are a million objects that stay for good. Walking them all, as the collector does now and
then on whichever thread is at it, keeps every other thread from running for 150 to 220 ms.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

one_at_a_time = threading.RLock()
"""Held while something large is imported."""


def spare_the_collector() -> None:
    """What is there now is walked no more. What is let go of is freed all the same, unless it refers to itself."""
    gc.freeze()


@contextmanager
def imports() -> Iterator[None]:
    """Around imports: the collector rests meanwhile, and their objects are kept from it afterwards.

    One thread at a time: who trains waits here for what is being imported, so that nothing of a run, which does
    refer to itself, is ever kept from the collector.
    """
    with one_at_a_time:
        was_on = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            spare_the_collector()
            if was_on:
                gc.enable()
