"""Problems in the window's words, and a log that hears everything."""

from __future__ import annotations

import ast
import gc
import logging
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QThread, QTimer, qWarning
from pytestqt.qtbot import QtBot

from core import problems as core_problems
from memorynet_gui.base import logs
from memorynet_gui.base.problems import ADVICE, ClipboardError, Problem, describe, summary, title


def of(exc: BaseException) -> Problem:
    try:
        raise exc
    except BaseException as caught:
        return describe(caught)


# --- words -----------------------------------------------------------------------------------------


_OPTION = re.compile(
    r"(?<![\w-])--[a-z]|\bmemorynet (info|restore|train|inspect|evaluate|runs|export|import)\b"
)
_NOT_SHOWN = {
    "core/cli",  # speaks at the terminal
    "core/model/card.py",  # a text beside exported weights, for whoever uses them
    "core/training/data.py",  # code of a person's own runs from the command line alone, and it is said how
    "core/restoring/records.py",  # makes the command that is copied, as does the next
    "memorynet_gui/restore/command.py",
    "memorynet_gui/snapshot.py",  # a command itself
    "memorynet_gui/app.py",
}


def _texts(file: Path) -> Iterator[tuple[int, str]]:
    """Every text but docstrings of a module in which an option is named at all, with its line."""
    source = file.read_text("utf-8")
    if not _OPTION.search(source):
        return
    tree = ast.parse(source)
    documentation = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            documentation |= {id(line.value) for line in body if isinstance(line, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def test_nothing_the_window_can_show_names_the_command_line() -> None:
    """Every text of the window and of the core it shows messages of, wherever it stands; not just those thought of here."""
    root = Path(core_problems.__file__).parents[1]
    found, seen = [], 0
    for file in (*root.glob("core/**/*.py"), *root.glob("memorynet_gui/**/*.py")):
        name = file.relative_to(root).as_posix()
        if any(name == left or name.startswith(f"{left}/") for left in _NOT_SHOWN):
            continue
        for line, text in _texts(file):
            seen += 1
            if _OPTION.search(text):
                found.append(f"{name}:{line}: {text}")
    assert seen > 100 and not found, found


@pytest.mark.parametrize("key", sorted(core_problems.KEYS))
def test_every_kind_of_problem_is_worded_for_the_window(key: str) -> None:
    error = type("Kind", (OSError if key == "os" else Exception,), {"problem_key": key})("a.png: because")
    problem = of(error)
    assert problem.expected and problem.what.endswith(".") and problem.key == key
    assert not _OPTION.search(problem.sentence)
    assert not problem.todo or (problem.todo.endswith(".") and "  " not in problem.todo)


def test_advice_is_of_kinds_that_exist() -> None:
    from core.cli.words import ADVICE as at_the_terminal

    assert set(ADVICE) | set(at_the_terminal) <= core_problems.KEYS


def test_memory_advice_names_the_controls() -> None:
    assert of(MemoryError()).todo == "Close other programs, choose a smaller tile or the CPU as device."
    assert of(RuntimeError("CUDA error: x")).todo == "Choose the CPU as device and try again."


def test_other_problems_stay_as_the_core_says_them() -> None:
    error = OSError(28, "No space left on device", "/photos/a.jpg")
    assert of(error).sentence == core_problems.describe(error).sentence


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "PyTorch could not be loaded"),
        (ImportError("x", name="torch._C"), "PyTorch could not be loaded"),
        (OSError("libcudart.so.12: cannot open shared object file"), "PyTorch could not be loaded"),
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), "part of the program is missing"),
        (ClipboardError("it holds text"), "no photo on the clipboard"),
    ],
)
def test_what_only_the_window_meets(error: Exception, what: str) -> None:
    problem = of(error)
    assert what in problem.what
    assert problem.why == str(error)
    assert problem.todo
    assert problem.expected
    assert type(error).__name__ in problem.details


def test_a_bug_of_ours_is_called_one() -> None:
    problem = of(ZeroDivisionError("division by zero"))
    assert not problem.expected
    assert "ZeroDivisionError: division by zero" in problem.why
    assert "test_window_problems.py" in problem.details


def test_titles_have_no_full_stop() -> None:
    assert title(Problem("The picture is damaged.", "", "", "")) == "The picture is damaged"


def test_several_problems_fit_on_one_line() -> None:
    damaged = Problem("The picture is damaged.", "a.jpg: short", "Copy it again.", "")
    empty = Problem("The file is empty.", "b.jpg", "", "")
    other = Problem("The picture is too large.", "c.jpg", "", "")
    assert summary([]) == ""
    assert summary([damaged]) == "The picture is damaged. a.jpg: short. Copy it again."
    assert summary([empty, damaged, damaged]) == "2 files: the picture is damaged · 1 file: the file is empty"
    assert summary([damaged] * 1200 + [empty] * 3 + [other] * 2) == (
        "1,200 files: the picture is damaged · 3 files: the file is empty · 2 more"
    )


# --- log -------------------------------------------------------------------------------------------


@pytest.fixture
def logging_(tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[logs.Logging]:
    # pytest's own hooks would take the exceptions this module is about
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    made = logs.set_up(tmp_path / "log")
    yield made
    made.stop()


def written(made: logs.Logging) -> str:
    assert made.file is not None
    for handler in logging.getLogger().handlers:
        handler.flush()
    return made.file.read_text("utf-8")


def test_messages_reach_the_file(logging_: logs.Logging) -> None:
    logging.getLogger("somewhere").info("Ærø %d", 42)
    logging.getLogger("somewhere").debug("too much")
    text = written(logging_)
    assert "INFO    MainThread somewhere: Ærø 42" in text
    assert "too much" not in text


def test_uncaught_exceptions_are_logged_and_told_on_the_windows_thread(
    logging_: logs.Logging, qtbot: QtBot
) -> None:
    told: list[tuple[BaseException, bool]] = []
    here = QThread.currentThread()
    logging_.uncaught.happened.connect(lambda error: told.append((error, QThread.currentThread() is here)))

    def boom() -> None:
        raise ValueError("on another thread")

    thread = threading.Thread(target=boom, name="worker-7")
    thread.start()
    thread.join()
    assert told == [], "must not arrive before the event loop runs"
    qtbot.waitUntil(lambda: bool(told))
    assert [(str(error), on_ours) for error, on_ours in told] == [("on another thread", True)]
    text = written(logging_)
    assert "uncaught on worker-7" in text
    assert "ValueError: on another thread" in text


def test_an_exception_in_a_slot_is_heard(logging_: logs.Logging, qtbot: QtBot) -> None:
    told: list[BaseException] = []
    logging_.uncaught.happened.connect(told.append)
    with qtbot.captureExceptions():  # keeps pytest-qt from failing the test; our hook is called by Qt
        sys.excepthook = logging_._on_exception

        def slot() -> None:
            raise KeyError("in a slot")

        QTimer.singleShot(0, slot)
        qtbot.waitUntil(lambda: bool(told))
    assert isinstance(told[0], KeyError)


def test_an_exception_that_repeats_is_told_once_and_logged_always(
    logging_: logs.Logging, qtbot: QtBot
) -> None:
    told: list[BaseException] = []
    logging_.uncaught.happened.connect(told.append)

    def fail(text: str) -> None:
        try:
            raise ValueError(text)
        except ValueError as error:
            logging_._on_exception(ValueError, error, error.__traceback__)

    for number in range(20):
        fail(str(number))
    qtbot.wait(50)
    assert [str(error) for error in told] == ["0"]
    assert written(logging_).count("Traceback") == 20


def test_an_interrupt_is_left_alone(logging_: logs.Logging, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[type[BaseException]] = []
    monkeypatch.setattr(logging_, "_hooks", (lambda kind, *_rest: seen.append(kind), *logging_._hooks[1:]))
    logging_._on_exception(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert seen == [KeyboardInterrupt]
    assert "uncaught" not in written(logging_)


def test_a_failing_destructor_is_logged_not_told(logging_: logs.Logging, qtbot: QtBot) -> None:
    told: list[BaseException] = []
    logging_.uncaught.happened.connect(told.append)

    class Bad:
        def __del__(self) -> None:
            raise ValueError("too late")

    Bad()
    gc.collect()
    qtbot.wait(20)
    assert told == []
    assert "too late" in written(logging_)


def test_qts_complaints_reach_the_file(logging_: logs.Logging) -> None:
    qWarning("QWidget: something odd")
    assert "WARNING MainThread qt: QWidget: something odd" in written(logging_)


def test_the_file_does_not_grow_without_end(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 2000)
    made = logs.set_up(tmp_path / "log")
    try:
        for number in range(300):
            logging.getLogger("x").info("line %d of many", number)
    finally:
        made.stop()
    files = sorted(path.name for path in (tmp_path / "log").glob("memorynet.log*"))
    assert files == ["memorynet.log", *(f"memorynet.log.{number}" for number in range(1, logs.KEPT + 1))]
    assert all(path.stat().st_size <= 2000 for path in (tmp_path / "log").glob("memorynet.log*"))


def test_a_folder_that_cannot_be_is_not_fatal(tmp_path: Path, qtbot: QtBot) -> None:
    in_the_way = tmp_path / "log"
    in_the_way.write_text("")
    made = logs.set_up(in_the_way)
    try:
        assert made.file is None
        logging.getLogger("x").warning("goes on")
    finally:
        made.stop()


def test_stopping_puts_everything_back(tmp_path: Path, qtbot: QtBot) -> None:
    before = (sys.excepthook, threading.excepthook, sys.unraisablehook, list(logging.getLogger().handlers))
    level = logging.getLogger().level
    made = logs.set_up(tmp_path / "log")
    assert sys.excepthook != before[0]
    made.stop()
    after = (sys.excepthook, threading.excepthook, sys.unraisablehook, list(logging.getLogger().handlers))
    assert after == before
    assert logging.getLogger().level == level
