"""Settings every test stands on: no screen, one torch thread, folders of its own."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # NumPy's threads would spin, beside another process of tests
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

# A shell lets what runs behind it ("make test &") ignore Ctrl+C, and programs that tests send it to would never end.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

gc.disable()  # until all is imported: of importing, two fifths went into collections that found nothing


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Where no bytecode of the tests lies yet, rewriting their asserts takes four seconds, and every process of tests
    would do it for all of them: each begins with a share of its own and finds what the others have done."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if count == 1:
        return
    root = session.config.rootpath
    named = [root / word.split("::")[0] for word in session.config.args]
    files = sorted(
        {file for path in named for file in ([path] if path.is_file() else path.rglob("test_*.py"))}
    )
    first = len(files) * int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")) // count
    for file in files[first:] + files[:first]:
        with contextlib.suppress(Exception, pytest.skip.Exception):  # the collection will say it
            importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """What all the imports have left stays: a collection, and every run ends with one, need not walk it (0.2 s each).

    From here on Python collects between the tests, on their thread. By itself it would on whichever thread makes
    things: that of a worker destroys the settings of a test before but cannot stop their timer, which Qt then fires
    on what is gone. (The program keeps its settings to its end.)
    """
    _keep_what_is_imported()


def pytest_runtest_logfinish() -> None:
    """Here nothing holds the test's fixtures any more."""
    gc.disable()  # whatever the test did
    gc.collect(1)
    if len(sys.modules) > _kept_modules + 100:
        _keep_what_is_imported()  # the first run to be trained brings torch's compiler along


_kept_modules = 0


def _keep_what_is_imported() -> None:
    global _kept_modules  # noqa: PLW0603
    gc.collect()
    gc.freeze()
    gc.disable()
    _kept_modules = len(sys.modules)


@pytest.fixture
def qtbot(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[QtBot]:
    """Holds on to its widgets until they are closed. The plug-in knows them weakly, and handles events once more when the
    test's own names are gone: a collector that then runs in a paint event would destroy the window that is being painted."""
    held: list[Any] = []
    add = qtbot.addWidget

    def add_and_hold(widget: Any, **options: Any) -> None:
        held.append(widget)
        add(widget, **options)

    monkeypatch.setattr(qtbot, "addWidget", add_and_hold)
    yield qtbot
    held.clear()


@pytest.fixture(autouse=True)
def _one_torch_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _nothing_guessed_yet() -> None:
    """Tests exchange what guesses where a shadow lies, and look at the same photos with the same models."""
    restore = sys.modules.get("core.restoring.restore")
    if restore is not None:
        restore._guesses.clear()


@pytest.fixture(autouse=True)
def _no_lines_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come by the clock: on a busy machine a test would hear them that does not expect any."""
    monkeypatch.setattr("core.cli.common._PLAIN_EVERY_S", 1e9)


@pytest.fixture(autouse=True)
def _own_user_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing a test does may reach the real settings, models or logs of whoever runs it."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))


@pytest.fixture(autouse=True)
def _no_widget_outlives_its_test() -> Iterator[None]:
    """Every theme dresses every widget that is there: those of the tests before would make each test slower.

    Without a running event loop, Qt deletes nothing of what was given to ``deleteLater``, and what Python's
    collector has yet to find stays, too.
    """
    yield
    widgets = sys.modules.get("PySide6.QtWidgets")
    if widgets is None or widgets.QApplication.instance() is None:
        return
    from PySide6.QtCore import QCoreApplication, QEvent

    for window in widgets.QApplication.topLevelWidgets():
        window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
