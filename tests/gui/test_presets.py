"""Ways of saving that are kept under a name: place, names, format, quality, size, privacy."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from core.cli import program as cli
from core.images import io as image_io
from core.restoring import outputs
from core.restoring.records import NAMING
from memorynet_gui.base.settings import Settings
from memorynet_gui.restore.command import arguments
from tests.restore_page_kit import desk, rainy, wait, write


def test_names_of_results() -> None:
    source = Path("/photos/IMG_1.JPG")
    assert outputs.output_path(source, naming="{name} ({done})") == Path("/photos/IMG_1 (derained).JPG")
    assert outputs.output_path(source, "/out", naming="{name}") == Path("/out/IMG_1.JPG")
    assert outputs.output_path(source, naming="{name}") == Path("/photos/IMG_1.derained.JPG"), (
        "never the source"
    )
    long = outputs.output_path(Path("/p") / ("ü" * 200 + ".png"), naming="web-{name}-x")
    assert len(long.name.encode()) <= 240 and long.name.startswith("web-ü") and long.name.endswith("-x.png")
    for wrong in (
        "",
        "{done}",
        "a/{name}",
        "{name}{name}",
        "{name}{other}",
        "{name}\n",
        "{name" + "x" * 99 + "}",
    ):
        with pytest.raises(ValueError, match="naming"):
            outputs.output_path(source, naming=wrong)


def test_a_longest_edge_makes_smaller_and_never_larger(tmp_path: Path) -> None:
    wet, _ = rainy()  # 160x128
    picture = image_io.from_array(wet)
    receipt = image_io.write(tmp_path / "a.png", picture, image_io.WriteOptions(longest_px=80))
    assert image_io.read(receipt.path).pixels.shape == (64, 80, 3)
    assert receipt.lines[0].detail == "80 × 64 px, reduced from 160 × 128" and not receipt.lines[0].kept
    receipt = image_io.write(tmp_path / "b.png", picture, image_io.WriteOptions(longest_px=4000))
    assert image_io.read(receipt.path).pixels.shape == wet.shape and receipt.lines[0].kept
    with pytest.raises(ValueError, match="longest_px 3"):
        image_io.WriteOptions(longest_px=3)


def test_a_preset_keeps_and_brings_back_all_of_it(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    settings.output_folder, settings.save_naming, settings.save_format = (
        tmp_path / "web",
        "{name}-web",
        "JPEG",
    )
    settings.save_quality, settings.save_longest_px, settings.strip_gps = 80, 2048, True
    settings.keep_preset("Web")
    for name, value in (
        ("output_folder", None),
        ("save_naming", NAMING),
        ("save_format", None),
        ("save_quality", 95),
    ):
        setattr(settings, name, value)
    settings.save_longest_px, settings.strip_gps = None, False
    assert settings.preset == ""
    settings.keep_preset("Full")
    settings.save()
    again = Settings(tmp_path)
    assert again.preset == "Full" and sorted(again.export_presets) == ["Full", "Web"]
    again.use_preset("Web")
    assert again.preset == "Web" and again.save_options == image_io.WriteOptions(
        "JPEG", 80, None, True, longest_px=2048
    )
    assert (again.output_folder, again.save_naming) == (tmp_path / "web", "{name}-web")
    again.drop_preset("Web")
    assert again.preset == "" and again.save_quality == 80, "only the name goes"


def test_a_preset_of_the_bar_saves_as_the_command_does(
    qtbot: QtBot, qapp: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wet, _ = rainy()
    folder = tmp_path / "in"
    folder.mkdir()
    photo, other = write(folder / "a.png", wet[:80, :96]), write(folder / "b.png", wet[:80, :96])
    with desk(qapp, tmp_path / "own") as at:  # type: ignore[arg-type]
        at.settings.output_folder, at.settings.save_naming = tmp_path / "web", "{name} restored"
        at.settings.save_longest_px = 48
        at.settings.keep_preset("Web")
        at.settings.output_folder = None
        at.add(photo, other)
        at.restored(photo)
        (entry,) = [action for action in at.page.batch.bar.menu.actions() if action.text() == "Web"]
        entry.trigger()
        assert at.page.batch.bar.place.text() == "Web"
        saved = at.save(photo)
        assert saved == tmp_path / "web" / "a restored.png"
        assert image_io.read(saved).pixels.shape == (40, 48, 3)
        words = arguments(at.item(photo))
        data = saved.read_bytes()
        saved.unlink()
        assert cli.main(words) == 0
        capsys.readouterr()
        assert saved.read_bytes() == data


def test_the_settings_keep_use_and_drop_presets(qtbot: QtBot, qapp: object, tmp_path: Path) -> None:
    from memorynet_gui.base.jobs import JobRunner
    from memorynet_gui.base.page import AppContext
    from memorynet_gui.frame.settings_view import SettingsDialog
    from memorynet_gui.look.theme import Theme
    from tests.restore_page_kit import Bar

    settings = Settings(tmp_path)
    context = AppContext(settings, JobRunner(), Theme(qapp, "dark"), lambda *_: lambda: None, Bar())  # type: ignore[arg-type]
    dialog = SettingsDialog(context)
    qtbot.addWidget(dialog)
    dialog.tabs.setCurrentIndex(1)
    dialog.show()
    dialog.longest.setCurrentIndex(dialog.longest.findData(2048))
    dialog.activateWindow()
    dialog.naming.setFocus()
    wait(dialog.naming.hasFocus)
    dialog.naming.selectAll()
    QTest.keyClicks(dialog.naming, "{name}-small")
    QTest.keyClick(dialog.naming, Qt.Key.Key_Tab)
    assert settings.save_longest_px == 2048
    wait(lambda: settings.save_naming == "{name}-small")
    dialog.naming.setText("no place for a name")
    dialog.naming.editingFinished.emit()
    assert settings.save_naming == dialog.naming.text() == "{name}-small"
    assert not dialog.keep_preset.isEnabled()
    line = dialog.preset.lineEdit()
    assert line is not None
    QTest.keyClicks(line, "Small")
    QTest.mouseClick(dialog.keep_preset, Qt.MouseButton.LeftButton)
    assert settings.preset == "Small" and dialog.preset.currentText() == "Small"
    dialog.longest.setCurrentIndex(0)
    assert settings.preset == "" and dialog.preset.currentText() == ""
    dialog.preset.setCurrentIndex(0)
    dialog.preset.activated.emit(0)
    assert settings.save_longest_px == 2048 and dialog.preset.currentText() == "Small"
    QTest.mouseClick(dialog.drop_preset, Qt.MouseButton.LeftButton)
    assert not settings.export_presets and settings.save_longest_px == 2048
