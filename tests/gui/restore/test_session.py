"""The queue: what enters, changes, leaves, comes back, and survives a restart."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QCoreApplication

from core.images.types import ReceiptLine, WriteOptions
from core.problems import describe
from core.restoring.records import Choice, Made
from core.restoring.verdict import Verdict
from memorynet_gui.restore.queue_item import (
    Item,
    ItemState,
    Origin,
    ResultNote,
    SaveNote,
    item_as_json,
    item_from_json,
    write_queue,
)
from memorynet_gui.restore.session import Session
from tests.restore_page_kit import heap_of_its_own

MADE = Made(
    task="derain",
    model_name="derain-s",
    model_sha256="ab" * 32,
    device="cpu",
    precision="fp32",
    tile_px=512,
    seconds=1.5,
    megapixels_per_s=0.8,
    notes=("smaller tile",),
    memory="read with thoroughness 1.3",
    mask="none",
    only="none",
    scale="1/2",
    verdict=Verdict("much", 0.8, "1/2", "seen best there"),
)
NOTE = ResultNote(
    Choice("derain", "derain-s", thoroughness=1.3, scale="1/2"),
    MADE,
    width=640,
    height=480,
    bit_depth=8,
    source_bytes=1234,
    source_mtime_ns=99,
)


def paths(count: int) -> list[Path]:
    return [Path(f"/photos/shot_{index:05}.jpg") for index in range(count)]


def names(session: Session) -> list[str]:
    return [item.path.stem[-1] for item in session.items()]


@pytest.fixture
def queue(qapp: QCoreApplication) -> Session:
    session = Session()
    session.add(paths(5))
    return session


def test_a_path_enters_once_and_the_first_new_one_is_shown(queue: Session) -> None:
    heard: list[tuple[int, int]] = []
    queue.adding_finished.connect(lambda added, known: heard.append((added, known)))
    assert queue.current == queue.at(0)
    queue.add([paths(3)[2], Path("/photos/new.png"), Path("/photos/new.png")])
    assert len(queue) == 6
    assert queue.current is not None and queue.current.name == "new.png"
    queue.add([paths(3)[2]])
    assert len(queue) == 6
    assert queue.current == queue.at(2), "dropping a known photo shows it"
    assert heard == [(1, 2), (0, 1)]


def test_summary_counts_states_and_reads_well(queue: Session) -> None:
    a, b, c, *_ = queue.items()
    queue.update(a.id, state=ItemState.DONE)
    queue.update(b.id, state=ItemState.FAILED)
    queue.update(c.id, state=ItemState.RUNNING, tile=8, tile_count=20)
    assert queue.summary.text == "5 photos · 1 done · 1 failed"
    assert queue.summary.waiting == 2
    assert queue.at(2).status == "8/20"
    queue.remove([b.id])
    assert queue.summary.text == "4 photos · 1 done"


def test_only_waiting_photos_are_next_and_the_current_one_goes_first(queue: Session) -> None:
    fourth = queue.at(3)
    queue.set_current(fourth.id)
    assert queue.next_waiting() == fourth
    queue.update(fourth.id, state=ItemState.DONE)
    assert queue.next_waiting() == queue.at(0)
    for item in queue.items():
        queue.update(item.id, state=ItemState.FAILED)
    assert queue.next_waiting() is None
    assert queue.set_waiting(item.id for item in queue.items()) == 5
    assert queue.next_waiting() == queue.get(fourth.id)


def test_a_running_photo_can_not_be_requeued_or_removed(queue: Session) -> None:
    item = queue.at(1)
    queue.update(item.id, state=ItemState.RUNNING)
    assert queue.set_waiting([item.id]) == 0
    assert queue.remove([item.id]) == 0
    assert len(queue) == 5


@given(st.data())
def test_removals_come_back_in_their_order(qapp: QCoreApplication, data: st.DataObject) -> None:
    session = Session()
    count = data.draw(st.integers(1, 300))
    session.add(paths(count))
    while session._pending:
        QCoreApplication.processEvents()
    before = session.items()
    current = session.current
    steps = data.draw(st.integers(1, 4))
    for _ in range(steps):
        chosen = data.draw(st.sets(st.sampled_from(before), min_size=1))
        if not session.remove([item.id for item in chosen]):
            steps -= 1
    for _ in range(steps):
        assert session.undo() > 0
    assert session.items() == before
    assert session.undo() == 0
    assert session.summary.total == session.summary.waiting == count
    for row, item in enumerate(before):
        assert session.row_of(item.id) == row
    assert current is not None


def test_removing_the_current_photo_shows_its_neighbour_and_undo_shows_it_again(queue: Session) -> None:
    shown: list[str | None] = []
    queue.current_changed.connect(lambda item: shown.append(item.path.stem[-1] if item else None))
    second = queue.at(1)
    queue.set_current(second.id)
    queue.remove([second.id])
    assert queue.current == queue.at(1) and names(queue) == ["0", "2", "3", "4"]
    queue.undo()
    assert queue.current == second
    queue.remove([item.id for item in queue.items()])
    assert queue.current is None
    assert shown == ["1", "2", "1", None]


def test_undo_skips_what_was_added_again_by_hand(queue: Session) -> None:
    gone = queue.at(0)
    queue.remove([gone.id, queue.at(1).id])
    queue.add([gone.path])
    assert queue.undo() == 1
    assert [item.path for item in queue.items()].count(gone.path) == 1
    assert len(queue) == 5


def test_steps_stop_at_the_ends(queue: Session) -> None:
    queue.set_current(queue.at(0).id)
    queue.step(-1)
    assert queue.current_row == 0
    queue.step(3)
    queue.step(1)
    queue.step(1)
    assert queue.current_row == 4


def test_results_within_reach_of_undo_are_still_known(queue: Session) -> None:
    gone = queue.at(2)
    queue.remove([gone.id])
    assert gone.id in queue.known_ids()


# --- a restart -------------------------------------------------------------------------------------


def full_item() -> Item:
    try:
        raise ValueError("rain.png: cut short")
    except ValueError as exc:
        problem = describe(exc)
    return Item(
        Path("/photos/Zoë ☔ \udcff.png"),  # a name no encoding can hold
        origin=Origin.PASTED,
        state=ItemState.FAILED,
        strength_percent=86,
        problem=problem,
        result=NOTE,
        saved=SaveNote(Path("/photos/out.png"), 86, WriteOptions("PNG", 90, 16, True)),
        receipt=(ReceiptLine("EXIF", True, "kept"),),
        reference=Path("/photos/truth.png"),
    )


def test_an_item_survives_its_json() -> None:
    item = full_item()
    assert item_from_json(json.loads(json.dumps(item_as_json(item)))) == item


def test_lists_of_photos_of_earlier_versions_are_read() -> None:
    """Choice, making and options stood side by side then."""
    verdict = {"found": "much", "gone": 0.8, "scale_used": "1/2", "scale_why": "seen best there"}
    item = full_item()
    kept = item_as_json(item)
    now = kept["result"]
    now["made"]["mirrored"] = False  # so they were for a day
    assert item_from_json(json.loads(json.dumps(kept))) == item
    del now["made"]["mirrored"]
    kept["result"] = {name: value for name, value in now.items() if name not in ("choice", "made")}
    kept["result"] |= {
        name: value for name, value in now["made"].items() if name not in ("verdict", "memory")
    }
    kept["result"] |= {"model": "derain-s", "thoroughness_percent": 130, **verdict, "unchanged": False}
    options = kept["saved"].pop("options")
    del options["overwrite"]
    kept["saved"] |= options
    assert item_from_json(json.loads(json.dumps(kept))) == item
    for name in ("thoroughness_percent", "scale", "mask", "only", *verdict, "unchanged"):
        del kept["result"][name]  # and before there were such choices
    first = item_from_json(json.loads(json.dumps(kept))).result
    assert first is not None and (first.choice, first.made.verdict) == (
        Choice("derain", "derain-s", scale="1"),
        Verdict(),
    )


def test_the_queue_survives_a_restart(qapp: QCoreApplication, tmp_path: Path) -> None:
    file = tmp_path / "data" / "queue.json"
    session = Session(file)
    session.add(paths(4))
    a, b, c, d = session.items()
    session.update(a.id, state=ItemState.DONE, result=NOTE, saved=SaveNote(Path("/x.png"), 100))
    session.update(b.id, state=ItemState.RUNNING, tile=3, tile_count=9)
    session.update(c.id, state=ItemState.CANCELLED)
    session.set_current(d.id)
    session.save()

    again = Session(file)
    again.load()
    assert [item.state.value for item in again.items()] == ["done", "waiting", "cancelled", "waiting"]
    assert [item.id for item in again.items()] == [a.id, b.id, c.id, d.id]
    assert again.at(0).result == NOTE and again.at(0).is_saved
    assert again.current == d
    assert sorted(path.name for path in file.parent.iterdir()) == ["queue.json"]


def test_changes_are_written_by_themselves(qapp: QCoreApplication, qtbot, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "queue.json"
    session = Session(file)
    session.add(paths(2))
    qtbot.waitUntil(file.exists, timeout=5000)
    session.update(session.at(1).id, strength_percent=50)
    qtbot.waitUntil(lambda: '"strength_percent": 50' in file.read_text(), timeout=5000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": 99, "current": null, "items": []}',
        '{"format": 1, "current": null, "items": [{"path": 3}]}',
        '{"format": 1, "current": null, "items": [{"path": "a", "id": "b", "state": "burnt"}]}',
        '{"format": 1, "current": null, "items": "abc"}',
        "\x00\x01",
    ],
)
def test_a_damaged_file_is_set_aside_with_a_sentence(
    qapp: QCoreApplication, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "queue.json"
    file.write_text(text)
    session = Session(file)
    notices: list[str] = []
    session.notice.connect(notices.append)
    session.load()
    assert len(session) == 0
    (aside,) = tmp_path.glob("queue.json.damaged-*")
    assert aside.read_text() == text
    assert aside.name in notices[0]
    session.add(paths(1))
    session.save()
    assert file.exists()


def test_nothing_is_written_before_the_old_queue_was_read(qapp, qtbot, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "queue.json"
    write_queue(file, [Item(path) for path in paths(3)], None)
    session = Session(file)
    with qtbot.waitSignal(session.loaded):
        session.load_in_background()
        session.add([Path("/photos/early.png")])  # somebody drops a photo at once
        session.save()
        assert "early" not in file.read_text()
    assert [item.name for item in session.items()] == [*(p.name for p in paths(3)), "early.png"]
    assert session.current is not None and session.current.name == "early.png"


def test_a_full_disk_does_not_lose_the_old_file(qapp, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "queue.json"
    session = Session(file)
    session.add(paths(2))
    session.save()
    before = file.read_bytes()

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.atomic.os.fsync", full)
    session.add([Path("/photos/more.png")])
    with pytest.raises(OSError, match="No space"):
        session.save()
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "queue" in path.name] == ["queue.json"]


# --- many ------------------------------------------------------------------------------------------


def longest_turn_ms(until, work) -> float:  # type: ignore[no-untyped-def]
    """The longest stretch the event loop was held while ``work`` ran to ``until``.

    Of this thread's own time: what else the machine does is not the queue's fault.
    """
    began = time.thread_time()
    work()
    worst = time.thread_time() - began
    end = time.monotonic() + 60
    while not until():
        began = time.thread_time()
        QCoreApplication.processEvents()
        worst = max(worst, time.thread_time() - began)
        assert time.monotonic() < end, "never finished"
    return 1000 * worst


def test_ten_thousand_files_never_hold_the_event_loop(qapp: QCoreApplication, tmp_path: Path) -> None:
    file = tmp_path / "queue.json"
    session = Session(file)
    many = paths(10_000)
    with heap_of_its_own():
        assert longest_turn_ms(lambda: len(session) == 10_000, lambda: session.add(many)) < 100
        session.save()
        again = Session(file)
        assert longest_turn_ms(lambda: len(again) == 10_000, again.load_in_background) < 100
        every_second = [item.id for item in again.items()[::2]]
        assert longest_turn_ms(lambda: len(again) == 5_000, lambda: again.remove(every_second)) < 100
        assert longest_turn_ms(lambda: len(again) == 10_000, again.undo) < 100
        assert again.items() == session.items()
