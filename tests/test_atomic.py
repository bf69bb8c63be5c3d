"""Files are whole or not there, also where readers stand in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import atomic


@pytest.mark.parametrize("readers_hold", [True, False])
def test_a_reader_is_waited_for_where_it_holds_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readers_hold: bool
) -> None:
    file, replace, tries = tmp_path / "run" / "state.json", Path.replace, []
    atomic.write_text(file, "old")

    def held(self: Path, target: Path) -> Path:
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError(13, "in use", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", held)
    monkeypatch.setattr(atomic, "READERS_HOLD", readers_hold)
    if readers_hold:
        atomic.write_text(file, "new")
        assert file.read_text() == "new"
    else:
        with pytest.raises(PermissionError):
            atomic.write_text(file, "new")
        assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file], "nothing is left beside it"


def test_patience_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(_self: Path, target: Path) -> Path:
        raise PermissionError(13, "in use", str(target))

    monkeypatch.setattr(Path, "replace", held)
    monkeypatch.setattr(atomic, "READERS_HOLD", True)
    monkeypatch.setattr(atomic, "_PATIENCE_S", 0.05)
    with pytest.raises(PermissionError, match="in use"):
        atomic.write_text(tmp_path / "state.json", "new")


def test_only_leftovers_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir()
    kept = [run / name for name in (".mine.tmp", "step-1.safetensors", ".lock", "a.0123abcd.tmp")]
    for file in kept:
        file.write_text("x")

    class Killed(BaseException):
        pass

    def dies(_path: Path) -> None:
        _path.write_text("half")
        raise Killed

    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # the process is gone before it tidies up
    with pytest.raises(Killed):
        atomic.write_atomically(run / "step-2.safetensors", dies)
    monkeypatch.undo()
    assert len(list(run.iterdir())) == len(kept) + 1
    atomic.remove_leftovers(run)
    assert sorted(run.iterdir()) == sorted(kept)
    atomic.remove_leftovers(run / "nothing")
