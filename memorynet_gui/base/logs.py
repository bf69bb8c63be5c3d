"""The log file, and everything that must not go unheard: exceptions nobody caught, on any thread, and what
Qt complains about.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import logging.handlers
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from PySide6.QtCore import QMessageLogContext, QObject, Qt, QtMsgType, Signal, qInstallMessageHandler

FILE_NAME = "memorynet.log"
CRASH_NAME = "crash.log"
MAX_BYTES = 1_000_000
KEPT = 3
_FORMAT = "%(asctime)s %(levelname)-7s %(threadName)s %(name)s: %(message)s"
_QUIET_S = 10.0  # the same exception from the same line again within this time is logged, not shown

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}

log = logging.getLogger(__name__)
_qt_log = logging.getLogger("qt")


class Uncaught(QObject):
    """Brings exceptions from wherever they happened to the thread of the window."""

    happened = Signal(object)  # BaseException
    _from_anywhere = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._last: dict[tuple[object, ...], float] = {}
        self._lock = threading.Lock()
        # queued: an exception in a paint event must not open a dialog in the midst of painting
        self._from_anywhere.connect(self.happened, Qt.ConnectionType.QueuedConnection)

    def tell(self, error: BaseException) -> None:
        """May be called on any thread. One that repeats itself (each repaint, say) is passed on once."""
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        key = (type(error), where and (where.tb_frame.f_code.co_filename, where.tb_lineno))
        now = time.monotonic()
        with self._lock:
            known = self._last.get(key)
            self._last[key] = now
        if known is None or now - known > _QUIET_S:
            with contextlib.suppress(RuntimeError):  # the application is gone already
                self._from_anywhere.emit(error)


class Logging:
    """What was set up; :meth:`stop` undoes it."""

    def __init__(self, log_dir: Path, level: int = logging.INFO) -> None:
        self.uncaught = Uncaught()
        self.file: Path | None = log_dir / FILE_NAME
        """None when the folder cannot be written; messages then go to the terminal only."""
        self._crash: IO[str] | None = None
        self._crash_before = faulthandler.is_enabled()
        self._root = logging.getLogger()
        self._level_before = self._root.level
        self._handlers: list[logging.Handler] = []
        self._hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        self._root.setLevel(min(level, logging.WARNING))
        self._open(log_dir, level)
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception
        sys.unraisablehook = self._on_unraisable
        self._qt_before = qInstallMessageHandler(_on_qt_message)
        logging.captureWarnings(True)

    def _open(self, log_dir: Path, level: int) -> None:
        terminal = logging.StreamHandler()
        terminal.setLevel(logging.WARNING)
        terminal.setFormatter(logging.Formatter("memorynet: %(message)s"))
        self._add(terminal)
        try:
            log_dir.mkdir(parents=True, exist_ok=True)
            file = logging.handlers.RotatingFileHandler(
                log_dir / FILE_NAME, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8", errors="replace"
            )
        except OSError as problem:
            self.file = None
            log.warning("no log file: %s", problem)
            return
        file.setLevel(level)
        file.setFormatter(logging.Formatter(_FORMAT))
        self._add(file)
        try:
            self._crash = (log_dir / CRASH_NAME).open("a", encoding="utf-8")
            faulthandler.enable(self._crash)  # where a crash in C++ happened, in terms of Python
        except (OSError, RuntimeError) as problem:
            log.info("no crash log: %s", problem)

    def _add(self, handler: logging.Handler) -> None:
        self._handlers.append(handler)
        self._root.addHandler(handler)

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, where: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._hooks[0](kind, error, where)
            return
        log.critical("uncaught", exc_info=(kind, error, where))
        self.uncaught.tell(error)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or issubclass(args.exc_type, SystemExit):
            return
        name = args.thread.name if args.thread else "a thread"
        log.critical("uncaught on %s", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
        self.uncaught.tell(args.exc_value)

    def _on_unraisable(self, args: object) -> None:
        # raised where nobody can catch it, a destructor mostly: for the log, nothing a person could do
        error: BaseException | None = getattr(args, "exc_value", None)
        log.error("%s: %r", getattr(args, "err_msg", None) or "ignored", error, exc_info=error)

    def stop(self) -> None:
        """Put everything back as it was found."""
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        qInstallMessageHandler(self._qt_before)
        logging.captureWarnings(False)
        self._root.setLevel(self._level_before)
        for handler in self._handlers:
            self._root.removeHandler(handler)
            handler.close()
        if self._crash is not None:
            faulthandler.disable()
            self._crash.close()
            if self._crash_before:
                faulthandler.enable(sys.__stderr__ or 2)


def set_up(log_dir: Path, level: int = logging.INFO) -> Logging:
    """Write a rotating log file into ``log_dir`` and listen for what nobody caught.

    A folder that cannot be written is not fatal. Connect ``.uncaught.happened`` to show the exception.
    """
    return Logging(log_dir, level)


def _on_qt_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    category = context.category or "default"
    logger = _qt_log if category == "default" else _qt_log.getChild(category)
    logger.log(_LEVELS.get(kind, logging.WARNING), "%s", text)
