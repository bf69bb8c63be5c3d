"""A second start hands its files to the window that is open already: a local socket, for this user alone."""

from __future__ import annotations

import getpass
import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from core import foreign_text

_CONNECT_MS, _ANSWER_MS = 300, 3000
_MOST_BYTES = 4 << 20
_MOST_NAME_BYTES = 100  # of a socket on Unix, which ends at 104 or 108
_TAKEN = b"taken\n"

log = logging.getLogger(__name__)

Taker = Callable[[list[Path], bool], bool]
"""Paths, and whether a sample is wanted; answers whether they were taken: a window that closes takes nothing."""


def hand_over(data_dir: Path, paths: Sequence[Path], wants_sample: bool = False) -> bool:
    """Whether an open window that keeps its things in ``data_dir`` has taken the files, and come to the front."""
    socket = QLocalSocket()
    socket.connectToServer(_name(data_dir))
    if not socket.waitForConnected(_CONNECT_MS):
        return False
    words = json.dumps({"paths": [os.fspath(path) for path in paths], "sample": wants_sample})
    socket.write(words.encode("ascii") + b"\n")
    while not socket.canReadLine():
        if not socket.waitForReadyRead(_ANSWER_MS):
            return False
    taken = bytes(socket.readLine().data()) == _TAKEN
    socket.disconnectFromServer()
    return taken


class OneWindow(QObject):
    """Listens, from its making until :meth:`close`. Only the first window does; a further one is not asked."""

    def __init__(self, data_dir: Path, take: Taker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._take = take
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._came)
        name = _name(data_dir)
        self.is_listening = False
        if _answers(name):  # asked first: with access for the user alone, Qt listens in place of another
            log.info("another window takes the files of other starts")
            return
        QLocalServer.removeServer(name)  # what a window that crashed has left
        self.is_listening = self._server.listen(name)
        if not self.is_listening:
            log.warning("other starts cannot hand their files over: %s", self._server.errorString())

    def close(self) -> None:
        self._server.close()

    def _came(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.disconnected.connect(socket.deleteLater)
            socket.readyRead.connect(lambda socket=socket: self._read(socket))
            self._read(socket)  # it may have said all before anybody listened

    def _read(self, socket: QLocalSocket) -> None:
        if socket.bytesAvailable() > _MOST_BYTES:
            socket.abort()
        elif socket.canReadLine():
            try:
                request = foreign_text.parse_json(bytes(socket.readLine().data()))
                paths = [Path(name) for name in request["paths"]]
                taken = self._take(paths, bool(request["sample"]))
            except (ValueError, TypeError, KeyError) as error:
                log.warning("what another start said was not understood: %r", error)
                taken = False
            socket.write(_TAKEN if taken else b"not taken\n")
            socket.flush()


def _answers(name: str) -> bool:
    socket = QLocalSocket()
    socket.connectToServer(name)
    return socket.waitForConnected(_CONNECT_MS)


def _name(data_dir: Path) -> str:
    """A path where only this user may look, as far as the system has one; else a name that holds the user's."""
    mark = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:16]
    runtime = os.environ.get("XDG_RUNTIME_DIR")  # asked of Qt, it would complain where there is none
    if runtime and Path(runtime).is_dir() and os.name == "posix":
        place = f"{runtime}/memorynet-{mark}"
        if len(os.fsencode(place)) <= _MOST_NAME_BYTES:
            return place
    return f"memorynet-{_user()}-{mark}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "user"
