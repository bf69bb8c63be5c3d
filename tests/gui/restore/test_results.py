"""Restored pixels waiting to be saved: never lost silently, never more than the budget lets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from memorynet_gui.restore import results
from memorynet_gui.restore.results import ResultStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "results"


PICTURE = np.random.default_rng(1).integers(0, 65536, (40, 50, 3), dtype=np.uint16)
SIZE = PICTURE.nbytes


def test_pixels_come_back_exactly_and_survive_a_restart(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "results")
    assert store.put("a", PICTURE) is None
    again = ResultStore(tmp_path / "results")
    for one in (store, again):
        pixels = one.get("a")
        assert pixels is not None and pixels.dtype == np.uint16
        np.testing.assert_array_equal(pixels, PICTURE)
    assert again.has("a") and not again.has("b") and again.get("b") is None


def test_only_what_is_saved_elsewhere_makes_room(folder: Path) -> None:
    store = ResultStore(folder, budget_bytes=3 * SIZE)
    for name in "abc":
        assert store.has_room(SIZE)
        store.put(name, PICTURE)
    assert not store.has_room(SIZE)
    store.set_expendable("b", True)
    assert store.has_room(SIZE)
    store.put("d", PICTURE)
    assert [name for name in "abcd" if store.has(name)] == ["a", "c", "d"]
    assert store.used_bytes == 3 * SIZE
    assert sorted(path.name for path in folder.iterdir()) == ["a.npy", "c.npy", "d.npy"]


def test_a_picture_larger_than_the_budget_is_still_possible(folder: Path) -> None:
    store = ResultStore(folder, budget_bytes=10)
    assert store.has_room(SIZE)
    store.put("a", PICTURE)
    assert store.has("a") and not store.has_room(1)


def test_a_full_disk_keeps_the_pixels_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ResultStore(folder)

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.np, "save", full)
    error = store.put("a", PICTURE)
    assert error is not None and error.errno == 28
    np.testing.assert_array_equal(store.get("a"), PICTURE)
    assert store.in_memory_only() == {"a"}
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(results, "MEMORY_BUDGET_BYTES", SIZE + 1)
    assert not store.has_room(SIZE)
    monkeypatch.undo()
    assert store.put("a", PICTURE) is None
    assert store.in_memory_only() == set()


def test_an_older_result_never_passes_for_the_newest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second result of a photo finds the disk full; after a restart the first must not stand for it."""
    store = ResultStore(folder)
    store.put("a", PICTURE)
    with monkeypatch.context() as patch:
        patch.setattr(
            results.np, "save", lambda *_args, **_kwargs: (_ for _ in ()).throw(OSError(28, "full"))
        )
        assert store.put("a", PICTURE[::-1]) is not None
    np.testing.assert_array_equal(store.get("a"), PICTURE[::-1])
    assert ResultStore(folder).get("a") is None


def test_a_new_result_is_not_safe_because_the_last_one_was(folder: Path) -> None:
    store = ResultStore(folder, budget_bytes=int(2.5 * SIZE))
    store.put("a", PICTURE)
    store.set_expendable("a", True)
    store.put("a", PICTURE[::-1])
    store.put("b", PICTURE)
    store.make_room(SIZE)
    assert store.has("a")


def test_a_damaged_result_is_none_and_gone(folder: Path) -> None:
    store = ResultStore(folder)
    store.put("a", PICTURE)
    with (folder / "a.npy").open("r+b") as stream:
        stream.truncate(200)
    assert store.get("a") is None
    assert not store.has("a")


def test_a_swept_cache_folder_is_made_again(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "cache" / "results")
    store.put("a", PICTURE)
    (tmp_path / "cache" / "results" / "a.npy").unlink()
    os.rmdir(tmp_path / "cache" / "results")  # noqa: PTH106
    assert store.get("a") is None
    assert store.put("b", PICTURE) is None


def test_results_of_photos_that_left_are_dropped(folder: Path) -> None:
    store = ResultStore(folder)
    for name in "abc":
        store.put(name, PICTURE)
    (folder / "x.123.part").write_bytes(b"half")
    store.keep_only({"b", "z"})
    assert store.has("b") and not store.has("a")
    again = ResultStore(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["b.npy"]
    assert again.used_bytes > 0


def test_a_folder_that_cannot_be_made_means_memory(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    store = ResultStore(blocker / "results")
    assert isinstance(store.put("a", PICTURE), OSError)
    np.testing.assert_array_equal(store.get("a"), PICTURE)
