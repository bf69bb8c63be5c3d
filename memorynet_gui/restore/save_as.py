"""Save as: name and place, format, quality, bit depth, GPS. Not modal: the photo stays at hand beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.images.formats import FORMATS, Format
from memorynet_gui.restore.queue_item import DEFAULT_OPTIONS
from memorynet_gui.widgets.parts import DirectSlider

if TYPE_CHECKING:
    from core.images.io import PictureInfo, WriteOptions


class SaveAsDialog(QDialog):
    """``chosen(path, options)`` when Save is pressed; an existing target needs a second press that says so."""

    chosen = Signal(object, object)  # Path, WriteOptions

    def __init__(
        self,
        suggested: Path,
        info: PictureInfo,
        quality: int = DEFAULT_OPTIONS.quality,
        strip_gps: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Save as")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._info = info
        self._confirmed: Path | None = None
        self.name = QLineEdit(str(suggested))
        self.name.setAccessibleName("File name")
        self.name.setToolTip("Where the result is written; the original is never overwritten")
        self.name.setMinimumWidth(360)
        self.browse = QPushButton("Browse…")
        self.browse.setToolTip("Choose folder and name")
        self.browse.setAccessibleName("Browse for folder and name")
        self.format = QComboBox()
        self.format.setAccessibleName("Format")
        self.format.setToolTip("File format of the result")
        for each in FORMATS.values():
            self.format.addItem(each.words, each.name)
        self.quality = DirectSlider()
        self.quality.setRange(1, 100)
        self.quality.setValue(quality)
        self.quality.setAccessibleName("Quality")
        self.quality.setToolTip("Higher is closer to the result and larger; 95 shows no loss to the eye")
        self.quality_value = QLabel(str(quality))
        self.quality_value.setMinimumWidth(28)
        self.quality_value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.bit_depth = QComboBox()
        self.bit_depth.setAccessibleName("Bit depth")
        self.bit_depth.setToolTip("16 bit keeps every level of a 16-bit original")
        self.strip_gps = QCheckBox("Leave out where it was taken (GPS)")
        self.strip_gps.setToolTip(
            "Takes out of the metadata what can name the place: GPS, city and country, the maker's private notes"
        )
        self.strip_gps.setAccessibleName("Leave GPS out")
        self.strip_gps.setChecked(strip_gps)
        self.note = QLabel()
        self.note.setProperty("role", "caption")
        self.note.setWordWrap(True)
        self.save = QPushButton("Save")
        self.save.setProperty("role", "primary")
        self.save.setDefault(True)
        self.save.setToolTip("Write the result")
        self.save.setAccessibleName("Save the result")
        cancel = QPushButton("Cancel")
        cancel.setToolTip("Close without saving")
        cancel.setAccessibleName("Cancel")

        place = QHBoxLayout()
        place.setSpacing(8)
        place.addWidget(self.name, 1)
        place.addWidget(self.browse)
        quality_row = QHBoxLayout()
        quality_row.addWidget(self.quality, 1)
        quality_row.addWidget(self.quality_value)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(12)
        form.addRow("File", place)
        form.addRow("Format", self.format)
        form.addRow("Quality", quality_row)
        form.addRow("Bit depth", self.bit_depth)
        form.addRow("", self.strip_gps)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.note, 1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(16)
        layout.addLayout(form)
        layout.addLayout(buttons)

        self.format.currentIndexChanged.connect(self._format_picked)
        self.quality.valueChanged.connect(lambda value: self.quality_value.setText(str(value)))
        self.name.textChanged.connect(self._name_changed)
        self.browse.clicked.connect(self._browse)
        self.save.clicked.connect(self._save)
        cancel.clicked.connect(self.reject)
        self._follow_name()
        self._format_picked()

    def options(self) -> WriteOptions:
        from core.images.io import WriteOptions

        chosen = self._chosen
        return WriteOptions(
            format=chosen.name,
            quality=self.quality.value() if chosen.loses else DEFAULT_OPTIONS.quality,
            bit_depth=self.bit_depth.currentData(),
            strip_gps=self.strip_gps.isChecked(),
            overwrite=self._confirmed == self.path(),
        )

    @property
    def _chosen(self) -> Format:
        return FORMATS[self.format.currentData()]

    def path(self) -> Path:
        return Path(self.name.text()).expanduser()

    def _format_picked(self) -> None:
        chosen = self._chosen
        self.quality.setEnabled(chosen.loses)
        self.quality_value.setEnabled(chosen.loses)
        before = self.bit_depth.currentData()
        self.bit_depth.clear()
        if chosen.bits == 16 and self._info.bit_depth == 16:
            self.bit_depth.addItem("16 bit, as the original", 16)
            self.bit_depth.addItem("8 bit", 8)
        else:
            self.bit_depth.addItem("8 bit", 8)
        self.bit_depth.setEnabled(self.bit_depth.count() > 1)
        self.bit_depth.setCurrentIndex(max(self.bit_depth.findData(before), 0))
        path = self.path()
        if _format_of(path) != chosen.name:
            self.name.setText(str(path.with_suffix(chosen.extension)))
        self._say()

    def _name_changed(self) -> None:
        self._confirmed = None
        self.save.setText("Save")
        self._follow_name()
        self._say()

    def _follow_name(self) -> None:
        key = _format_of(self.path())
        if key is not None and key != self.format.currentData():
            self.format.setCurrentIndex(self.format.findData(key))

    def _say(self) -> None:
        chosen = self._chosen
        notes = []
        if self._info.has_alpha and not chosen.alpha:
            notes.append("The transparency is lost in this format.")
        if self._info.bit_depth == 16 and chosen.bits < 16:
            notes.append("16-bit levels are rounded to 8 in this format.")
        self.note.setText(" ".join(notes))

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Save as", str(self.path()))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)  # asked here, in place
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.name.setText)
        dialog.open()

    def _save(self) -> None:
        path = self.path()
        if path.is_dir() or not path.name:
            self.note.setText("Give the file a name.")
            return
        if path == self._info.path:
            self.note.setText("This is the original; it is never overwritten. Choose another name.")
            return
        if path.exists() and self._confirmed != path:
            self._confirmed = path
            self.save.setText("Replace")
            self.note.setText(f"{path.name} is there already.")
            return
        self.chosen.emit(path, self.options())
        self.accept()


def _format_of(path: Path) -> str | None:
    from core.images.io import EXTENSION_FORMAT

    return EXTENSION_FORMAT.get(path.suffix.lower())
