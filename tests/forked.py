"""Processes of their own that need not import torch and the program first, which takes seconds each: forked from one that has.

For tests of what processes do to one another: they are killed, share work, train one run. That commands start by themselves
is tested where they are started whole.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_NUMBERS = itertools.count()
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "torch._dynamo",  # comes with the first optimizer
        "scipy.ndimage",
        "core.cli.restore",
        "core.restoring.restore",
        "core.training.trainer",
        "tests.training_kit",
        "tests.forked",
    ]
)


class Forked:
    """Runs ``function(*arguments)``, which must be known by its module's name; its result is the exit code.

    What it says is in the files ``out`` and ``err`` of ``place``. ``environment`` comes on top of this process's own.
    """

    def __init__(
        self, place: Path, function: Callable[..., object], *arguments: object, **environment: str
    ) -> None:
        number = next(_NUMBERS)
        self.out, self.err = place / f"forked-{number}.out", place / f"forked-{number}.err"
        _start_server()
        self._process = _CONTEXT.Process(
            target=_run,
            args=(function, arguments, os.environ | environment, self.out, self.err),
        )
        self._process.start()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.join(60)

    def wait(self, limit_s: float) -> int:
        """Its exit code. Raises AssertionError, with what it said, when it has not ended by then."""
        self._process.join(limit_s)
        if self._process.exitcode is None:
            self.kill()
            raise AssertionError(f"not within {limit_s} s: {self.err.read_text()}")
        return self._process.exitcode


def command(*words: str) -> int:
    """``memorynet`` without the window, for :class:`Forked`."""
    from core.cli import program

    return program.main(list(words))


def launched(*words: str) -> None:
    """``main.py`` with these words in two processes of torch's launcher, for :class:`Forked`.

    The launcher reads its own command line, finds a place to meet, starts, watches and ends its processes as ever. In
    place of running ``python main.py``, each is forked and runs that file.
    """
    from torch.distributed import run
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    def forks(config: LaunchConfig, entrypoint: str) -> elastic_launch:
        assert entrypoint == sys.executable
        return elastic_launch(config, entrypoint=_as_main)

    run.elastic_launch = forks  # type: ignore[assignment, misc]
    run.main(
        ["--standalone", "--nproc-per-node", "2", "--start-method", "fork", str(_ROOT / "main.py"), *words]
    )


def _as_main(*words: str) -> None:
    unbuffered, file, *arguments = words
    assert unbuffered == "-u"
    script(file, *arguments)


def script(file: str, *words: str) -> None:
    """``python FILE WORDS``, for :class:`Forked`."""
    tempfile.tempdir = None  # that of the environment
    sys.argv = [file, *words]
    runpy.run_path(file, run_name="__main__")


def _start_server() -> None:
    """From wherever a test is; a library that starts threads as it is imported must not: they are not forked."""
    before = dict(os.environ)
    os.environ.update(PYTHONPATH=str(_ROOT), OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(
    function: Callable[..., object],
    arguments: tuple[object, ...],
    environment: dict[str, str],
    out: Path,
    err: Path,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, encoding="utf-8") for number in (1, 2))  # noqa: PTH123, SIM115
    import torch

    torch.set_num_threads(1)
    sys.exit(function(*arguments))  # type: ignore[arg-type]
