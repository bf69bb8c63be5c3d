"""One run shared by several processes: each does every n-th file, the first reports for all.

``RANK`` and ``WORLD_SIZE`` in the environment say so, as ``torchrun`` and its like set them, or a hand. PyTorch's own store
carries what the processes tell each other, over ``MASTER_ADDR`` and ``MASTER_PORT`` (where nobody says: this machine, port
29500); all have to see the same folders. There is no launcher here.

Imported for every ``--help``, so it must stay light: no torch at the top.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from core.cli import common
from core.jobs import JobControl

MEETING_S = 600.0  # for the processes to begin
LOST_S = 30.0  # without a sign of life a process is lost
STOPPED_S = 5.0  # that the first waits for the others once it was stopped itself
_BEAT_S = 2.0
_POLL_S, _PATIENCE_S = 0.1, 10.0
_ADDRESS, _PORT = "127.0.0.1", "29500"


class Store(Protocol):
    """What is used of :class:`torch.distributed.Store`."""

    def set(self, key: str, value: str) -> Any: ...
    def get(self, key: str) -> bytes: ...
    def check(self, keys: list[str]) -> bool: ...


class Lost(Exception):
    """A process ended without a word about the files it had taken."""

    problem_key = "process-lost"

    def __init__(self, rank: int) -> None:
        super().__init__(f"process {rank} ended without a report")


class Share:
    """Which files are this process's; alone, all of them are."""

    def __init__(self, rank: int = 0, count: int = 1, store: Store | None = None) -> None:
        self.rank, self.count = rank, count
        self._store = store
        self._over = threading.Event()
        if store is not None:
            threading.Thread(target=self._beat, name="sign of life", daemon=True).start()

    @property
    def is_first(self) -> bool:
        """Whether this is the process that reports."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self._store is None

    def mine(self, index: int) -> bool:
        return index % self.count == self.rank

    def begin(self, files: Sequence[str], control: JobControl) -> None:
        """Wait for the others, before anything is written that they might take for a file of theirs.

        Raises UsageError where another process sees other files, or does not come, and Cancelled.
        """
        if self._store is None:
            return
        mine = hashlib.sha256("\n".join(files).encode("utf-8", "surrogateescape")).hexdigest()
        self._store.set(f"files/{self.rank}", mine)
        until = time.monotonic() + MEETING_S
        for rank in range(self.count):
            while not self._store.check([f"files/{rank}"]):
                control.checkpoint()
                if time.monotonic() > until:
                    raise common.UsageError(f"process {rank} of {self.count} did not come; was it started?")
                time.sleep(_POLL_S)
            if self._store.get(f"files/{rank}").decode() != mine:
                raise common.UsageError(
                    f"process {rank} does not see the same {len(files):,} files as process {self.rank}; give all the "
                    "same folders and options, and the same time to begin"
                )

    def gather(self, report: dict[str, Any], control: JobControl) -> list[dict[str, Any] | None] | None:
        """Hand over what this process has to tell. The first gets that of all, by rank, None of one that is lost; the
        others get None, and are done."""
        if self._store is None:
            return [report]
        self._store.set(f"report/{self.rank}", json.dumps(report))
        if not self.is_first:
            self._over.set()
            return None
        found = [self._of(rank, control) for rank in range(self.count)]
        self._over.set()
        return found

    def _of(self, rank: int, control: JobControl) -> dict[str, Any] | None:
        assert self._store is not None
        beat, heard = b"", time.monotonic()
        while not self._store.check([f"report/{rank}"]):
            if self._store.check([f"beat/{rank}"]):
                now = self._store.get(f"beat/{rank}")
                if now != beat:
                    beat, heard = now, time.monotonic()
            if time.monotonic() - heard > (STOPPED_S if control.cancelled else LOST_S):
                return None
            time.sleep(_POLL_S)
        report: dict[str, Any] = json.loads(self._store.get(f"report/{rank}"))
        return report

    def _beat(self) -> None:
        """Says now and then that this process is still at it."""
        assert self._store is not None
        number = 0
        try:
            while not self._over.is_set():
                number += 1
                self._store.set(f"beat/{self.rank}", str(number))
                self._over.wait(_BEAT_S)
        except RuntimeError:  # the first process is gone, and with it the store; handing over says so
            return

    def device(self, name: str) -> str:
        """On a machine with several cards each of its processes takes one of its own, unless one is named."""
        import torch

        cards = torch.cuda.device_count()
        if self.alone or name not in ("auto", "cuda") or cards < 2:
            return name
        return f"cuda:{int(os.environ.get('LOCAL_RANK', self.rank)) % cards}"


def of_environment(control: JobControl) -> Share:
    """Raises UsageError for values that make no sense, or where the processes cannot meet, and Cancelled."""
    given = [os.environ.get(name) for name in ("RANK", "WORLD_SIZE")]
    if given[0] is None or given[1] is None:
        return Share()
    try:
        rank, count = (int(text or "") for text in given)
    except ValueError:
        rank, count = -1, 0
    if not 0 <= rank < count:
        raise common.UsageError(f"RANK={given[0]} WORLD_SIZE={given[1]}: need 0 <= RANK < WORLD_SIZE")
    if count == 1:
        return Share()
    os.environ.setdefault("MASTER_ADDR", _ADDRESS)
    os.environ.setdefault("MASTER_PORT", _PORT)
    at = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    found = _Meeting(rank, count)
    found.start()
    since, has_warned = time.monotonic(), False
    while found.is_alive():
        found.join(_POLL_S)
        control.checkpoint()
        if not has_warned and time.monotonic() - since > _PATIENCE_S:
            has_warned = True
            warning = f"Process {rank} of {count} waits for the others at {at}; unset RANK and WORLD_SIZE to work alone."
            print(warning, file=sys.stderr, flush=True)
    if found.store is None:
        raise common.UsageError(f"process {rank} of {count} cannot meet the others at {at}: {found.error}")
    return Share(rank, count, found.store)


class _Meeting(threading.Thread):
    """Waits for the other processes on a thread of its own, for PyTorch hears no Ctrl+C meanwhile."""

    def __init__(self, rank: int, count: int) -> None:
        super().__init__(name="meeting", daemon=True)
        self._rank, self._count = rank, count
        self.store: Store | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        from torch.distributed.rendezvous import rendezvous

        try:
            met = rendezvous("env://", self._rank, self._count, timeout=timedelta(seconds=MEETING_S))
            self.store, *_ = next(met)
        except Exception as error:  # whatever PyTorch says, it is told as the reason
            self.error = error
