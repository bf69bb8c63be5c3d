"""The settings, used as a person would."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QTabBar, QWidget
from pytestqt.qtbot import QtBot

from core.model.tensors import Device
from memorynet_gui.base.jobs import JobRunner
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.settings import Settings
from memorynet_gui.frame.about import HONESTY, versions_text
from memorynet_gui.frame.settings_view import SettingsDialog
from memorynet_gui.look.theme import Theme
from tests.ui import unnamed_focusable

pytestmark = pytest.mark.dressed

CPU = Device("cpu", "CPU, 2 threads", ("bf16", "fp32"))
CARD = Device("cuda:0", "NVIDIA H100", ("bf16", "fp16", "fp32"))


@pytest.fixture
def context(app: QApplication, tmp_path: Path, qtbot: QtBot) -> AppContext:
    settings = Settings(tmp_path / "kept")
    runner = JobRunner()
    return AppContext(settings, runner, Theme(app, "dark"), lambda *_: lambda: None, _NoBar())


class _NoBar:
    def set_job(self, text: str, share: float | None, seconds_left: float | None) -> None: ...
    def clear_job(self) -> None: ...
    def set_long(self, name: str, text: str, share: float | None, seconds_left: float | None) -> None: ...
    def clear_long(self) -> None: ...


@pytest.fixture
def dialog(context: AppContext, qtbot: QtBot) -> SettingsDialog:
    dialog = SettingsDialog(context)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def choose(box: object, data: object) -> None:
    row = box.findData(data)  # type: ignore[attr-defined]
    assert row >= 0, f"{data!r} is not offered"
    box.setCurrentIndex(row)  # type: ignore[attr-defined]


def test_everything_has_a_name_and_a_tooltip(dialog: SettingsDialog) -> None:
    assert unnamed_focusable(dialog) == []
    for widget in dialog.findChildren(QWidget):
        tabs_on = widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.window() is dialog
        if tabs_on and widget.focusProxy() is None and not isinstance(widget.parentWidget(), QTabBar):
            assert widget.toolTip() or widget.parentWidget().toolTip(), widget


def test_the_theme_changes_at_once(dialog: SettingsDialog, context: AppContext, qtbot: QtBot) -> None:
    qtbot.mouseClick(dialog.theme_buttons.button(2), Qt.MouseButton.LeftButton)
    assert (context.settings.theme, context.theme.name) == ("light", "light")


def test_devices_arrive_later(dialog: SettingsDialog, context: AppContext) -> None:
    assert dialog.device.findData("cuda:0") < 0
    context.set_devices((CARD, CPU))
    choose(dialog.device, "cuda:0")
    assert context.settings.device == "cuda:0"
    choose(dialog.precision, "fp16")
    assert context.settings.precision == "fp16"
    choose(dialog.device, "cpu")
    assert dialog.precision.currentData() == "fp16", "what was chosen is not thrown away silently"
    assert "not on this device" in [
        dialog.precision.itemData(i, Qt.ItemDataRole.UserRole + 7) for i in range(4)
    ]
    choose(dialog.precision, "auto")
    assert context.settings.precision == "auto"


def test_a_device_of_another_machine_is_shown_as_such(context: AppContext, qtbot: QtBot) -> None:
    context.settings.device = "cuda:3"
    context.set_devices((CPU,))
    dialog = SettingsDialog(context)
    qtbot.addWidget(dialog)
    assert dialog.device.currentData() == "cuda:3"
    assert context.settings.device == "cuda:3"


def test_tile_format_quality_and_gps(dialog: SettingsDialog, context: AppContext, qtbot: QtBot) -> None:
    settings = context.settings
    choose(dialog.tile, 768)
    assert settings.tile_px == 768
    choose(dialog.tile, None)
    assert settings.tile_px is None
    choose(dialog.format, "PNG")
    assert settings.save_format == "PNG"
    assert not dialog.quality.isEnabled()
    choose(dialog.format, "JPEG")
    assert dialog.quality.isEnabled()
    dialog.quality.setValue(71)
    assert settings.save_quality == 71
    dialog.tabs.setCurrentIndex(1)
    dialog.strip_gps.click()
    assert settings.strip_gps


def test_an_odd_tile_is_kept(context: AppContext, qtbot: QtBot) -> None:
    context.settings.tile_px = 640
    dialog = SettingsDialog(context)
    qtbot.addWidget(dialog)
    assert dialog.tile.currentText() == "640 px"
    assert context.settings.tile_px == 640


def test_the_output_folder(
    dialog: SettingsDialog, context: AppContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dialog.folder.full == "Beside the original"
    assert not dialog.beside.isEnabled()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    dialog.choose_folder.click()
    assert context.settings.output_folder == tmp_path
    assert dialog.folder.full == str(tmp_path)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    dialog.choose_folder.click()
    assert context.settings.output_folder == tmp_path
    dialog.beside.click()
    assert context.settings.output_folder is None


def test_it_follows_settings_changed_elsewhere(dialog: SettingsDialog, context: AppContext) -> None:
    context.settings.tile_px = 256
    context.settings.strip_gps = True
    assert dialog.tile.currentData() == 256
    assert dialog.strip_gps.isChecked()


def test_recent_files_can_be_forgotten(dialog: SettingsDialog, context: AppContext) -> None:
    assert not dialog.clear_recent.isEnabled()
    context.settings.add_recent(Path("/a.jpg"))
    dialog.clear_recent.click()
    assert context.settings.recent_files == ()


def test_about_says_what_it_is_and_what_it_does_not_do(
    dialog: SettingsDialog, context: AppContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import __version__

    dialog.show_part("about")
    said = [label.text() for label in dialog.findChildren(QLabel) if label.isVisible()]
    assert HONESTY in said
    assert any("MIT" in text for text in said)
    assert __version__ in versions_text()
    dialog.about.copy_versions.click()
    assert QGuiApplication.clipboard().text() == dialog.about.versions.text()
    opened: list[Path] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(Path(url.toLocalFile())))
    dialog.about.open_buttons["Log"].click()
    assert opened == [context.settings.log_dir]
    assert context.settings.log_dir.is_dir()


def test_it_can_be_shown_again(dialog: SettingsDialog, qtbot: QtBot) -> None:
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    dialog.show()
    assert dialog.isVisible()
