"""Settings and about. Every choice takes effect at once, so there is nothing to confirm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QTabWidget,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from core import extras
from core.images.formats import FORMATS
from core.restoring.records import NAMING
from core.training import runs
from memorynet_gui.frame import settings_parts as parts
from memorynet_gui.frame.about import About
from memorynet_gui.look.theme import MODES, inset
from memorynet_gui.widgets.buttons import text_button
from memorynet_gui.widgets.parts import DetailCombo, Elided

if TYPE_CHECKING:
    from core.model.tensors import Device
    from memorynet_gui.base.page import AppContext

TILES_PX = (256, 384, 512, 768, 1024, 1536)
EDGES_PX = (1080, 1600, 2048, 2560, 3840)
_WIDTH_PX = 560


class SettingsDialog(QDialog):
    """Not modal, made once and shown again; ``page`` "about" opens it there."""

    def __init__(self, context: AppContext, parent: QWidget | None = None, page: str = "settings") -> None:
        super().__init__(parent)
        self.settings, self.theme = context.settings, context.theme
        self._devices = context.devices()
        context.devices_ready.connect(lambda: self.set_devices(context.devices()))
        self.setWindowTitle("Settings")
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("Parts of the settings")
        self.tabs.setToolTip("Parts of the settings")
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.tabBar().setUsesScrollButtons(False)
        self.tabs.tabBar().setAccessibleName("Parts of the settings")
        self.tabs.addTab(self._general(), "General")
        self.tabs.addTab(self._saving(), "Saving")
        self.tabs.addTab(self._training(), "Training")
        self.about = About(self.settings)
        self.tabs.addTab(self.about, "About")
        self.show_part(page)
        self.close_button = text_button("Close", "Close the settings (Esc)")
        self.close_button.setDefault(True)
        self.close_button.clicked.connect(self.accept)
        below = QHBoxLayout()
        below.addStretch(1)
        below.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 16, 24, 16)
        layout.setSpacing(16)
        layout.addWidget(self.tabs, 1)
        layout.addLayout(below)
        self.setMinimumWidth(_WIDTH_PX)
        self._show_values()
        self.settings.changed.connect(self._show_values)

    # --- building ------------------------------------------------------------------------------

    def _general(self) -> QWidget:
        self.theme_buttons = QButtonGroup(self)
        segments = QFrame()
        segments.setProperty("role", "segments")
        segments.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(segments)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        for number, mode in enumerate(MODES):
            button = text_button(mode.capitalize(), f"{_THEME_WORDS[mode]}")
            button.setProperty("role", "segment")
            button.setCheckable(True)
            self.theme_buttons.addButton(button, number)
            row.addWidget(button)
        self.theme_buttons.idClicked.connect(self._choose_theme)
        self.device = DetailCombo("Device", "Where the network runs; automatic takes the fastest")
        self.precision = DetailCombo(
            "Precision",
            "Automatic takes bf16 where the hardware is faster at it (up to twice), fp32 elsewhere",
        )
        self.tile = DetailCombo(
            "Tile", "Edge of the pieces a photo is restored in; automatic follows the free memory"
        )
        self.device.currentIndexChanged.connect(self._choose_device)
        self.precision.currentIndexChanged.connect(self._choose_precision)
        self.tile.currentIndexChanged.connect(self._choose_tile)
        form = parts.form()
        form.addRow("Appearance", segments)
        form.addRow("Device", self.device)
        form.addRow("Precision", self.precision)
        form.addRow("Tile", self.tile)
        form.addRow("", parts.caption("These change how long restoring takes, not what comes of it."))
        return parts.tab(form)

    def _saving(self) -> QWidget:
        self.folder = Elided("", Qt.TextElideMode.ElideMiddle)
        self.choose_folder = text_button("Choose…", "Choose the folder results are written to")
        self.choose_folder.clicked.connect(self._choose_folder)
        self.beside = text_button("Beside the original", "Write each result into its original's folder")
        self.beside.clicked.connect(self._put_beside)
        place = QVBoxLayout()
        place.setSpacing(8)
        place.addWidget(self.folder)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.choose_folder)
        buttons.addWidget(self.beside)
        buttons.addStretch(1)
        place.addLayout(buttons)
        self.format = DetailCombo("Format", "File format of results")
        self.format.add("As the original", "", None)
        for each in FORMATS.values():
            self.format.add(each.title, each.word, each.name)
        self.format.currentIndexChanged.connect(self._choose_format)
        self.quality = QSpinBox()
        self.quality.setRange(1, 100)
        inset(self.quality)
        self.quality.setAccessibleName("Quality")
        self.quality.setToolTip("1 to 100, for formats that lose something; 95 shows no loss to the eye")
        self.quality.valueChanged.connect(lambda value: setattr(self.settings, "save_quality", value))
        self.strip_gps = QCheckBox("Leave out where a photo was taken (GPS)")
        self.strip_gps.setAccessibleName("Leave GPS out")
        self.strip_gps.setToolTip(
            "Takes out of the metadata of results what can name the place: GPS, city and country, the maker's private notes"
        )
        self.strip_gps.toggled.connect(lambda on: setattr(self.settings, "strip_gps", on))
        self.look = QCheckBox("Look at dropped photos at once")
        self.look.setAccessibleName("Look at dropped photos at once")
        self.look.setToolTip(
            "Says what there is in each photo and previews the shown one, before anything is restored"
        )
        self.look.toggled.connect(lambda on: setattr(self.settings, "look_automatically", on))
        self.clear_recent = text_button("Forget recent files", "Empty the list of recent files")
        self.clear_recent.clicked.connect(self._clear_recent)
        self.longest = DetailCombo("Size", "Larger results are written at this size; none is enlarged")
        self.longest.currentIndexChanged.connect(self._choose_size)
        self.naming = QLineEdit()
        self.naming.setAccessibleName("Names of results")
        self.naming.setToolTip("{name} is the photo's own name, {done} what was done: “{name} restored”")
        self.naming.editingFinished.connect(self._choose_naming)
        form = parts.form()
        form.addRow("Preset", self._preset_row())
        form.addRow("Folder", place)
        form.addRow("Names", self.naming)
        form.addRow("Format", self.format)
        form.addRow("Quality", parts.leftmost(self.quality))
        form.addRow("Size", self.longest)
        form.addRow("Privacy", self.strip_gps)
        form.addRow("Preview", self.look)
        form.addRow("", parts.leftmost(self.clear_recent))
        form.addRow("", parts.caption("Originals are never overwritten."))
        return parts.tab(form)

    def _preset_row(self) -> QHBoxLayout:
        self.preset = QComboBox()
        self.preset.setEditable(True)
        self.preset.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.preset.setAccessibleName("Preset")
        self.preset.setToolTip(
            "A name for all that stands below; choose one to save that way, or give a new one and keep it"
        )
        line = self.preset.lineEdit()
        assert line is not None
        line.setPlaceholderText("Name for what stands below")
        line.textEdited.connect(lambda _text: self._can_keep())
        self.preset.activated.connect(lambda row: self.settings.use_preset(self.preset.itemText(row)))
        self.keep_preset = text_button("Keep", "Keep what stands below under this name")
        self.keep_preset.clicked.connect(lambda: self.settings.keep_preset(self.preset.currentText().strip()))
        self.drop_preset = text_button("Remove", "Forget the preset of this name; nothing else changes")
        self.drop_preset.clicked.connect(lambda: self.settings.drop_preset(self.preset.currentText().strip()))
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.preset, 1)
        row.addWidget(self.keep_preset)
        row.addWidget(self.drop_preset)
        return row

    def _can_keep(self) -> None:
        name = self.preset.currentText().strip()
        self.keep_preset.setEnabled(bool(name) and name != self.settings.preset)
        self.drop_preset.setEnabled(name in self.settings.export_presets)

    def _show_presets(self) -> None:
        now = self.settings.preset
        self.preset.clear()
        self.preset.addItems(sorted(self.settings.export_presets))
        self.preset.setCurrentIndex(self.preset.findText(now) if now else -1)
        if not now:
            self.preset.setEditText("")
        self._can_keep()

    def _training(self) -> QWidget:
        self.runs_folder = Elided("", Qt.TextElideMode.ElideMiddle)
        choose = text_button("Choose…", "Choose the folder where training runs are kept")
        choose.setAccessibleName("Choose the folder for runs")
        choose.clicked.connect(self._choose_runs_folder)
        self.usual_runs = text_button("The usual one", "Keep runs in the program's own folder")
        self.usual_runs.clicked.connect(lambda: setattr(self.settings, "runs_folder", None))
        place = QVBoxLayout()
        place.setSpacing(8)
        place.addWidget(self.runs_folder)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(choose)
        buttons.addWidget(self.usual_runs)
        buttons.addStretch(1)
        place.addLayout(buttons)
        self.notify = QCheckBox("Tell the desktop when training ends")
        self.notify.setAccessibleName("Tell the desktop when training ends")
        self.notify.setToolTip("A notification of the desktop, for when the window is out of sight")
        self.notify.toggled.connect(lambda on: setattr(self.settings, "notify_at_end", on))
        self.tensorboard = QCheckBox("Write TensorBoard files")
        self.tensorboard.setAccessibleName("Write TensorBoard files")
        absent = extras.missing("tensorboard")
        self.tensorboard.setEnabled(not absent)
        self.tensorboard.setToolTip(
            "Not installed: python -m pip install tensorboard"
            if absent
            else "Event files beside each run, for those who look at runs with TensorBoard"
        )
        self.tensorboard.toggled.connect(lambda on: setattr(self.settings, "tensorboard", on))
        form = parts.form()
        form.addRow("Runs", place)
        form.addRow("At the end", self.notify)
        form.addRow("Also", self.tensorboard)
        form.addRow(
            "", parts.caption("The machine does not fall asleep while a run is on, where the system lets us.")
        )
        return parts.tab(form)

    def show_part(self, page: str) -> None:
        """ "settings" or "about"."""
        self.tabs.setCurrentIndex(3 if page == "about" else 0)

    # --- showing -------------------------------------------------------------------------------

    def set_devices(self, devices: Sequence[Device]) -> None:
        """Torch has arrived and with it what there is to choose from."""
        self._devices = tuple(devices)
        self._show_values()
        self.about.show_versions()

    def _show_values(self, _name: str = "") -> None:
        settings = self.settings
        boxes = (
            *(self.device, self.precision, self.tile, self.format, self.quality, self.strip_gps),
            *(self.notify, self.tensorboard, self.look, self.longest, self.preset),
        )
        blockers = [QSignalBlocker(box) for box in boxes]
        self.theme_buttons.button(MODES.index(settings.theme)).setChecked(True)
        self._fill_device(settings.device)
        self._fill_precision(settings.precision)
        self._fill_tile(settings.tile_px)
        self.format.setCurrentIndex(max(self.format.findData(settings.save_format), 0))
        self.quality.setValue(settings.save_quality)
        self.quality.setEnabled(settings.save_format is None or FORMATS[settings.save_format].loses)
        self._fill_size(settings.save_longest_px)
        self.naming.setText(settings.save_naming)
        self._show_presets()
        self.strip_gps.setChecked(settings.strip_gps)
        self.look.setChecked(settings.look_automatically)
        folder = settings.output_folder
        self.folder.set_full(str(folder) if folder else "Beside the original")
        self.beside.setEnabled(folder is not None)
        self.clear_recent.setEnabled(bool(settings.recent_files))
        self.runs_folder.set_full(str(settings.runs_folder or runs.default_folder()))
        self.usual_runs.setEnabled(settings.runs_folder is not None)
        self.notify.setChecked(settings.notify_at_end)
        self.tensorboard.setChecked(settings.tensorboard and self.tensorboard.isEnabled())
        del blockers

    def _fill_device(self, wanted: str) -> None:
        self.device.clear()
        self.device.add("Automatic", self._devices[0].title if self._devices else "", "auto")
        for device in self._devices:
            self.device.add(device.name, device.title, device.name)
        if self.device.findData(wanted) < 0:  # another machine's, or torch is still loading
            self.device.add(wanted, "not here" if self._devices else "", wanted)
        self.device.setCurrentIndex(self.device.findData(wanted))

    def _fill_precision(self, wanted: str) -> None:
        name = self.settings.device
        chosen = next((device for device in self._devices if name in ("auto", device.name)), None)
        known = chosen.precisions if chosen else ("bf16", "fp32")
        self.precision.clear()
        self.precision.add("Automatic", known[0] if chosen else "", "auto")
        for precision in known:
            self.precision.add(precision, _PRECISION_WORDS.get(precision, ""), precision)
        if self.precision.findData(wanted) < 0:
            self.precision.add(wanted, "not on this device", wanted)
        self.precision.setCurrentIndex(self.precision.findData(wanted))

    def _fill_size(self, wanted: int | None) -> None:
        self.longest.clear()
        self.longest.add("As the original", "", None)
        for edge in sorted({*EDGES_PX, *((wanted,) if wanted else ())}):
            self.longest.add(f"{edge:,} px", "longest edge", edge)
        self.longest.setCurrentIndex(0 if wanted is None else self.longest.findData(wanted))

    def _fill_tile(self, wanted: int | None) -> None:
        self.tile.clear()
        self.tile.add("Automatic", "as free memory allows", None)
        for edge in sorted({*TILES_PX, *((wanted,) if wanted else ())}):
            self.tile.add(f"{edge:,} px", "", edge)
        self.tile.setCurrentIndex(0 if wanted is None else self.tile.findData(wanted))

    # --- choosing ------------------------------------------------------------------------------

    def _choose_theme(self, number: int) -> None:
        self.settings.theme = MODES[number]
        self.theme.set_mode(MODES[number])

    def _choose_device(self) -> None:
        self.settings.device = self.device.currentData()

    def _choose_precision(self) -> None:
        self.settings.precision = self.precision.currentData()

    def _choose_tile(self) -> None:
        self.settings.tile_px = self.tile.currentData()

    def _choose_size(self) -> None:
        self.settings.save_longest_px = self.longest.currentData()

    def _choose_naming(self) -> None:
        """What is no way to name a file goes back to what it was, and the tooltip says why."""
        try:
            self.settings.save_naming = self.naming.text().strip() or NAMING
        except ValueError as problem:
            QToolTip.showText(self.naming.mapToGlobal(QPoint(0, self.naming.height())), str(problem))
        self.naming.setText(self.settings.save_naming)

    def _choose_format(self) -> None:
        self.settings.save_format = self.format.currentData()

    def _choose_folder(self) -> None:
        start = str(self.settings.output_folder or Path.home())
        chosen = QFileDialog.getExistingDirectory(self, "Folder for results", start)
        if chosen:
            self.settings.output_folder = Path(chosen)

    def _choose_runs_folder(self) -> None:
        start = str(self.settings.runs_folder or runs.default_folder())
        chosen = QFileDialog.getExistingDirectory(self, "Folder for runs", start)
        if chosen:
            self.settings.runs_folder = Path(chosen)

    def _put_beside(self) -> None:
        self.settings.output_folder = None

    def _clear_recent(self) -> None:
        self.settings.clear_recent()


_THEME_WORDS = {
    "system": "As the system: light or dark",
    "dark": "Dark: the photo is the brightest thing in the window",
    "light": "Light",
}
_PRECISION_WORDS = {"bf16": "fast, 16 bits", "fp32": "exact, 32 bits", "fp16": "fast, 16 bits"}
