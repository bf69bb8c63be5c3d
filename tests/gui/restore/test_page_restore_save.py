"""The Restore page: saving, and other ways out."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from core.cli import program as cli
from core.images import io as image_io
from core.model import catalog
from memorynet_gui.restore.queue_item import Origin
from memorynet_gui.restore.saves import pixels_of
from tests.gui.restore.page_kit import window_and_command
from tests.restore_page_kit import Desk, rainy, wait, write
from tests.ui import settle

pytestmark = pytest.mark.usefixtures("small_models_ship")


def test_save_goes_beside_the_original_and_never_over_anything(at: Desk, place: dict[str, Path]) -> None:
    source = place["jpeg"]
    before = source.read_bytes()
    taken = source.with_name(f"{source.stem}.derained.jpg")
    taken.write_bytes(b"somebody's own")
    at.restored(source)
    QTest.mouseClick(at.panel.save, Qt.MouseButton.LeftButton)
    wait(lambda: at.item(source).is_saved)
    saved = at.item(source).saved
    assert saved is not None and saved.path == taken.with_name(f"{source.stem}.derained-2.jpg")
    assert source.read_bytes() == before and taken.read_bytes() == b"somebody's own"
    assert at.panel.save.text() == "Saved ✓"

    first = saved.path.read_bytes()
    at.panel.strength.setValue(50)
    settle()
    assert at.panel.save.text() == "Save"
    assert at.save(source) == saved.path, "our own file is written anew"
    assert saved.path.read_bytes() != first

    saved.path.write_bytes(b"edited elsewhere")
    at.panel.strength.setValue(60)
    assert at.save(source) == taken.with_name(f"{source.stem}.derained-3.jpg")
    assert saved.path.read_bytes() == b"edited elsewhere"


@pytest.mark.parametrize("strength", [100, 63])
def test_the_copied_command_makes_the_same_bytes(
    at: Desk, place: dict[str, Path], capsys: pytest.CaptureFixture[str], strength: int
) -> None:
    source = place["jpeg"]
    at.restored(source)
    at.panel.strength.setValue(strength)
    saved = at.save(source)
    window_and_command(at, source, saved, capsys)


def test_the_command_before_a_save_is_what_the_save_will_do(
    at: Desk, place: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at.settings.output_folder = tmp_path / "out put"
    at.settings.save_format = "WEBP"
    at.settings.save_quality = 80
    at.restored(place["png"])
    at.page.handle("copy_command")
    words = shlex.split(QGuiApplication.clipboard().text())
    saved = at.save(place["png"])
    assert saved == tmp_path / "out put" / "rain.derained.webp"
    data = saved.read_bytes()
    saved.unlink()
    assert cli.main(words[1:]) == 0, capsys.readouterr().err
    assert saved.read_bytes() == data


def test_sixteen_bits_alpha_and_save_as_by_command_too(
    at: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wet, _ = rainy()
    deep = wet.astype(np.uint16) * 257 + np.arange(160, dtype=np.uint16)[None, :, None] % 200
    alpha = np.linspace(0, 65535, 128 * 160).astype(np.uint16).reshape(128, 160, 1)
    source = write(tmp_path / "deep.tif", np.concatenate([deep, alpha], axis=2))
    at.restored(source)
    at.panel.strength.setValue(90)
    out = tmp_path / "there"
    out.mkdir()
    at.page.handle("save_as")
    from memorynet_gui.restore.save_as import SaveAsDialog

    (dialog,) = at.page.findChildren(SaveAsDialog)
    dialog.name.setText(str(out / "deep.derained.png"))
    assert dialog.format.currentData() == "PNG" and dialog.bit_depth.currentData() == 16
    dialog.strip_gps.setChecked(True)
    QTest.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    wait(lambda: at.item(source).is_saved)
    made = image_io.read(out / "deep.derained.png")
    assert made.pixels.dtype == np.uint16
    np.testing.assert_array_equal(made.alpha, alpha[:, :, 0])
    window_and_command(at, source, out / "deep.derained.png", capsys)


def test_save_as_refuses_the_original_and_asks_before_replacing(at: Desk, place: dict[str, Path]) -> None:
    from memorynet_gui.restore.save_as import SaveAsDialog

    at.restored(place["png"])
    shown = at.page.stage.shown
    assert shown is not None
    dialog = SaveAsDialog(place["png"], shown.info)
    chosen: list[object] = []
    dialog.chosen.connect(lambda path, options: chosen.append((path, options)))
    before = place["png"].read_bytes()
    dialog.save.click()
    assert not chosen and "never overwritten" in dialog.note.text()
    other = place["second"]
    dialog.name.setText(str(other))
    dialog.save.click()
    assert not chosen and dialog.save.text() == "Replace"
    dialog.format.setCurrentIndex(dialog.format.findData("JPEG"))
    assert dialog.path() == other.with_suffix(".jpg") and dialog.save.text() == "Save"
    dialog.name.setText(str(other))
    dialog.save.click()
    dialog.save.click()
    ((path, options),) = chosen  # type: ignore[misc]
    assert path == other and options.overwrite
    at.page.saver.save(at.item(place["png"]), path, options)
    wait(lambda: at.item(place["png"]).is_saved)
    assert image_io.read(other).pixels.shape == (128, 160, 3)
    assert place["png"].read_bytes() == before


def test_a_save_that_fails_is_said_and_loses_nothing(
    at: Desk, place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.restoring import outputs

    item = at.restored(place["png"])

    def full(*_args: object, **_kwargs: object) -> None:
        raise image_io.WriteFailed(place["png"].with_name("x.png"), "No space left on device", 28)

    monkeypatch.setattr(outputs, "save", full)
    at.page.handle("save")
    wait(lambda: at.said)
    assert at.said[-1].text.startswith("rain.png was not saved.")
    assert "No space left" in at.said[-1].text
    monkeypatch.undo()
    assert not at.item(place["png"]).is_saved and at.page.store.has(item.id)
    assert at.save(place["png"]).exists()


def test_of_many_saves_only_those_that_were_written_count(
    at: Desk, place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.restoring import outputs

    at.add(place["png"], place["jpeg"], place["second"])
    at.run_all()
    real = outputs.save

    def full(restored: object, picture: image_io.Picture, path: Path, *rest: object) -> object:
        if path.name.startswith("second"):
            return real(restored, picture, path, *rest)  # type: ignore[arg-type]
        raise image_io.WriteFailed(path, "No space left on device", 28)

    monkeypatch.setattr(outputs, "save", full)
    at.said.clear()
    at.page.handle("save_all")
    wait(lambda: not at.page.saver.saving_ids and len(at.said) == 2)
    written, unwritten = at.said
    assert written.text == "1 photo saved." and written.action == "Show in folder"
    assert unwritten.text.startswith("2 photos were not saved. The first is ")
    assert "No space left on device" in unwritten.text
    assert unwritten.action == "Another folder…"

    monkeypatch.undo()
    at.said.clear()
    at.page.handle("save_all")
    wait(lambda: at.said)
    assert [said.text for said in at.said] == ["2 photos saved."]


def test_a_source_changed_since_is_not_blended_with_an_old_result(at: Desk, place: dict[str, Path]) -> None:
    at.restored(place["png"])
    wet, _ = rainy()
    write(place["png"], 255 - wet, overwrite=True)
    at.page.handle("save")
    wait(lambda: at.said)
    assert "The photo was changed after it had been restored. rain.png." in at.said[-1].text
    assert at.item(place["png"]).saved is None


def test_samples_and_pasted_pictures_are_not_saved_beside_themselves(at: Desk, tmp_path: Path) -> None:
    from memorynet_gui.restore.saves import pictures_folder

    sample = catalog.samples()[0]
    at.page.session.add([sample.path], Origin.SAMPLE)
    item = at.item(sample.path)
    target = at.page.saver.plan(replace(item, result=None)).path
    assert target.parent == pictures_folder() and target.parent.is_relative_to(tmp_path)


def test_save_all_copy_before_after_and_drag(at: Desk, place: dict[str, Path], tmp_path: Path) -> None:
    at.add(place["png"], place["second"])
    at.run_all()
    wait(at.page.filmstrip.save_all.isVisible)
    assert at.page.filmstrip.save_all.text() == "Save all 2"
    at.page.session.set_current(at.item(place["png"]).id)
    at.wait_shown(place["png"])
    pixels = at.page.store.get(at.item(place["png"]).id)
    assert pixels is not None

    QGuiApplication.clipboard().clear()
    at.page.handle("copy")
    wait(lambda: not QGuiApplication.clipboard().image().isNull())
    np.testing.assert_array_equal(pixels_of(QGuiApplication.clipboard().image())[:, :, :3], pixels)
    assert at.said[-1].text == "The result is on the clipboard."

    at.said.clear()
    at.page.results_out.save_comparison(tmp_path / "both.png")
    wait(lambda: (tmp_path / "both.png").exists() and at.said)
    both = image_io.read(tmp_path / "both.png").pixels
    assert both.shape[1] > 2 * 160
    np.testing.assert_array_equal(both[:128, :160], rainy()[0])

    original = place["png"].read_bytes()
    at.said.clear()
    at.page.results_out.save_comparison(place["png"])  # and the dialog's question was answered with yes
    wait(lambda: at.said)
    assert "was not saved" in at.said[-1].text
    assert place["png"].read_bytes() == original

    at.page.results_out.prepare_drag()
    wait(lambda: at.page.results_out.drag_path is not None)
    np.testing.assert_array_equal(image_io.read(at.page.results_out.drag_path).pixels, pixels)
    assert at.page.results_out.drag_path.is_relative_to(at.settings.cache_dir)

    at.page.handle("save_all")
    wait(lambda: all(item.is_saved for item in at.page.session.items()))
    at.page.results_out.prepare_drag()
    saved = at.item(place["png"]).saved
    assert saved is not None and at.page.results_out.drag_path == saved.path


def test_a_full_store_stops_the_queue_and_saving_goes_on(at: Desk, place: dict[str, Path]) -> None:
    at.page.store.budget_bytes = 100_000  # one result of 160x128 fits, two do not
    at.add(place["png"], place["jpeg"], place["second"])
    at.page.session.set_current(at.item(place["png"]).id)
    at.page.handle("run_all")
    wait(lambda: at.page.flow.held)
    assert at.states() == ["done", "waiting", "waiting"]
    bar = at.page.batch.bar
    assert bar.go_on.isVisible() and bar.says.full.startswith("Paused: ")
    assert "Paused" in at.bar.texts[-1]
    QTest.mouseClick(bar.go_on, Qt.MouseButton.LeftButton)
    wait(lambda: at.states()[1] == "done" and at.page.flow.held)
    assert at.item(place["png"]).is_saved and at.states()[2] == "waiting"
    assert not at.page.store.has(at.item(place["png"]).id), "saved, so it made room"
    at.page.session.set_current(at.item(place["png"]).id)
    at.wait_shown(place["png"])
    at.page.stage.reopen()
    at.wait_shown(place["png"])
    assert at.page.stage.shown is not None and at.page.stage.shown.restored_is_saved_file
    assert not at.page.stage.can_blend


def test_a_result_the_disk_refuses_is_said_and_blocks_closing(
    at: Desk, place: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from memorynet_gui.restore import results

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.np, "save", full)
    at.restored(place["png"])
    assert "kept in memory only" in at.said[-1].text
    assert "would be lost" in (at.page.close_blockers() or "")
    monkeypatch.undo()
    at.save(place["png"])
    assert at.page.close_blockers() is None
