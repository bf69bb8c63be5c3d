"""The style sheet of the window, made from a theme's tokens.

Widgets say what they are by properties: ``role`` ("primary", "quiet", "segment", "rail", "heading", "title",
"strong", "secondary", "caption", "warning", "error", "ok", "link", "problem", "field", "segments", "banner",
"sheet")
and, for plain containers, ``surface`` ("window", "panel", "bar"). ``compact`` makes a button lower, ``ring`` false leaves out
a list's focus ring. A plain QWidget with a surface needs Qt.WA_StyledBackground; ``theme.set_surface`` sets both. A
list that is filled before its first show wants ``ensurePolished()`` first, or Qt lays its rows out without the sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template

from memorynet_gui.look.tokens import TOOLTIP_TEXT

TEXT_PX = 13
CAPTION_PX = 11
TITLE_PX = 18

# Borders are drawn in the colour of what they surround: room for the focus ring without a jump.
_SHEET = Template("""
* { outline: none; }
QMainWindow, QMainWindow::separator { background: $window; }
QMainWindow::separator { width: 1px; height: 1px; }
QDialog, QMessageBox { background: $panel; }
*[surface="window"] { background: $window; }
*[surface="panel"], *[surface="bar"], QWidget[role="panel"] { background: $panel; }
QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; border: none; }
QStackedWidget { background: transparent; }

QLabel { background: transparent; color: $text; }
QLabel:disabled { color: $disabled; }
QLabel[role="heading"] { color: $secondary; font-size: ${caption_px}px; font-weight: 600; }
QLabel[role="title"] { font-size: ${title_px}px; font-weight: 600; }
QLabel[role="strong"] { font-weight: 600; }
QLabel[role="secondary"] { color: $secondary; }
QLabel[role="caption"] { color: $secondary; font-size: ${caption_px}px; }
QLabel[role="warning"] { color: $warning; }
QLabel[role="error"] { color: $error; }
QLabel[role="ok"] { color: $ok; }
QLabel[role="key"] { background: $control; border-radius: 4px; padding: 2px 6px; font-size: ${caption_px}px; }
QFrame[role="problem"] { background: $problem; border: none; border-left: 3px solid $error; border-radius: 4px; }
QFrame[role="field"] { background: $field; border: none; border-radius: 4px; }
QFrame[role="card"] { background: $panel; border: none; border-radius: 4px; }
QFrame[role="banner"] { background: $tooltip; border: none; border-radius: 4px; }
QFrame[role="banner"] QLabel { color: $tooltip_text; }
QFrame[role="banner"] QPushButton { background: transparent; border-color: transparent; color: $banner_link; }
QFrame[role="banner"] QPushButton:hover { background: $banner_hover; border-color: $banner_hover; }
QFrame[role="banner"] QPushButton:focus { border-color: $banner_link; }
QFrame[role="sheet"] { background: $panel; border: none; border-radius: 4px; }

QPushButton, QToolButton {
    background: $control; color: $text; border: 2px solid $control; border-radius: 4px;
    padding: 3px 10px; min-height: 18px;
}
QToolButton { padding: 3px; }
QToolButton[popupMode="1"] { padding-right: 18px; }
QPushButton:hover, QToolButton:hover { background: $control_hover; border-color: $control_hover; }
QPushButton:pressed, QToolButton:pressed, QPushButton:checked, QToolButton:checked {
    background: $control_pressed; border-color: $control_pressed;
}
QPushButton:focus, QToolButton:focus { border-color: $focus; }
QPushButton:disabled, QToolButton:disabled { color: $disabled; background: $control; border-color: $control; }
QPushButton[compact="true"], QToolButton[compact="true"] {
    padding: 0 6px; min-height: 16px; font-size: ${caption_px}px;
}
QPushButton[tight="true"] { padding: 3px 4px; }
QPushButton[role="primary"], QToolButton[role="primary"] {
    background: $accent; border-color: $accent; color: $accent_text; font-weight: 600;
}
QPushButton[role="primary"]:hover, QToolButton[role="primary"]:hover {
    background: $accent_hover; border-color: $accent_hover;
}
QPushButton[role="primary"]:pressed, QToolButton[role="primary"]:pressed {
    background: $accent_pressed; border-color: $accent_pressed;
}
QPushButton[role="primary"]:focus, QToolButton[role="primary"]:focus { border-color: $text; }
QPushButton[role="primary"]:disabled, QToolButton[role="primary"]:disabled {
    background: $control; border-color: $control; color: $disabled;
}
QPushButton[role="quiet"], QToolButton[role="quiet"], QToolButton:!hover[role="quiet"] {
    background: transparent; border-color: transparent;
}
QPushButton[role="quiet"]:hover, QToolButton[role="quiet"]:hover {
    background: $control_hover; border-color: $control_hover;
}
QPushButton[role="quiet"]:pressed, QToolButton[role="quiet"]:pressed { background: $control_pressed; }
QPushButton[role="quiet"]:focus, QToolButton[role="quiet"]:focus { border-color: $focus; }
QPushButton[role="link"] {
    background: transparent; border-color: transparent; color: $link; padding: 0; text-align: left;
}
QPushButton[role="link"]:hover { text-decoration: underline; }
QPushButton[role="link"]:focus { border-color: $focus; }
QPushButton::menu-indicator { image: url("$art-down.svg"); subcontrol-position: right center; right: 4px; }
QToolButton::menu-indicator { image: none; }
QToolButton::menu-button { border: none; width: 16px; }
QToolButton::menu-arrow { image: url("$art-down.svg"); width: 12px; height: 12px; }

QFrame[role="segments"] { background: $control; border: none; border-radius: 4px; }
QPushButton[role="segment"], QToolButton[role="segment"] {
    background: transparent; border-color: transparent; color: $secondary; padding: 3px 10px;
}
QPushButton[role="segment"][compact="true"], QToolButton[role="segment"][compact="true"] { padding: 0 6px; }
QPushButton[role="segment"]:hover, QToolButton[role="segment"]:hover { color: $text; }
QPushButton[role="segment"]:checked, QToolButton[role="segment"]:checked {
    background: $control_pressed; border-color: $control_pressed; color: $text;
}
QPushButton[role="segment"]:focus, QToolButton[role="segment"]:focus { border-color: $focus; }
QPushButton[role="segment"]:disabled, QToolButton[role="segment"]:disabled { color: $disabled; }
QToolButton[role="rail"] {
    background: transparent; border-color: transparent; color: $secondary;
    font-size: ${caption_px}px; padding: 6px 2px;
}
QToolButton[role="rail"]:hover { color: $text; background: transparent; }
QToolButton[role="rail"]:checked { background: $control; border-color: $control; color: $text; }
QToolButton[role="rail"]:focus { border-color: $focus; }

QComboBox, QLineEdit, QSpinBox, QDoubleSpinBox, QPlainTextEdit, QTextEdit {
    background: $field; color: $text; border: 2px solid $field; border-radius: 4px;
    padding: 3px 8px; min-height: 18px;
    selection-background-color: $selection; selection-color: $selection_text;
    placeholder-text-color: $secondary;
}
QPlainTextEdit, QTextEdit { padding: 4px; }
*[role="mono"] { font-family: "$mono"; font-size: 12px; }
QComboBox QLineEdit {
    background: transparent; border: none; padding: 0; min-height: 0;
}
QComboBox:hover, QLineEdit:hover, QSpinBox:hover, QDoubleSpinBox:hover {
    background: $field_hover; border-color: $field_hover;
}
QComboBox:focus, QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QPlainTextEdit:focus, QTextEdit:focus {
    border-color: $focus;
}
QComboBox:disabled, QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled { color: $disabled; }
QComboBox { padding-right: 20px; combobox-popup: 0; }  /* a list below, not a framed menu over it */
QComboBox::drop-down { border: none; width: 20px; subcontrol-position: center right; }
QComboBox::down-arrow { image: url("$art-down.svg"); width: 12px; height: 12px; }
QComboBox::down-arrow:disabled { image: url("$art-down-disabled.svg"); }
QComboBox QAbstractItemView {
    background: $field; border: none; padding: 4px;
    selection-background-color: $selection; selection-color: $selection_text;
}  /* no colour of text here: it would overrule the palette's for what cannot be chosen */
QSpinBox::up-button, QDoubleSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::down-button {
    border: none; background: transparent; width: 18px; subcontrol-origin: border;
}
QSpinBox::up-button, QDoubleSpinBox::up-button { subcontrol-position: top right; }
QSpinBox::down-button, QDoubleSpinBox::down-button { subcontrol-position: bottom right; }
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow { image: url("$art-up.svg"); width: 9px; height: 9px; }
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow { image: url("$art-down.svg"); width: 9px; height: 9px; }

QCheckBox, QRadioButton { background: transparent; color: $text; spacing: 8px; padding: 3px; }
QCheckBox:disabled, QRadioButton:disabled { color: $disabled; }
QCheckBox::indicator, QRadioButton::indicator {
    width: 14px; height: 14px; background: $box; border: 2px solid $box; border-radius: 4px;
}
QRadioButton::indicator { border-radius: 9px; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover { background: $box_hover; border-color: $box_hover; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url("$art-check.svg"); }
QRadioButton::indicator:checked { background: $accent_text; border: 5px solid $accent; width: 8px; height: 8px; }
QCheckBox::indicator:indeterminate { background: $accent; border-color: $accent; image: url("$art-dash.svg"); }
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled { background: $control; border-color: $control; }
QCheckBox::indicator:checked:disabled { image: url("$art-tick.svg"); }
QCheckBox::indicator:focus, QRadioButton::indicator:focus { border-color: $focus; }
QCheckBox::indicator:checked:focus, QRadioButton::indicator:checked:focus { border-color: $text; }

QSlider { background: transparent; min-height: 22px; }
QSlider:vertical { min-width: 22px; }
QSlider::groove:horizontal { height: 4px; background: $groove; border-radius: 2px; }
QSlider::groove:vertical { width: 4px; background: $groove; border-radius: 2px; }
QSlider::sub-page:horizontal, QSlider::add-page:vertical { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal {
    background: $handle; width: 10px; height: 10px; margin: -5px 0; border: 2px solid $handle; border-radius: 7px;
}
QSlider::handle:vertical {
    background: $handle; width: 10px; height: 10px; margin: 0 -5px; border: 2px solid $handle; border-radius: 7px;
}
QSlider::handle:focus { border-color: $focus; }
QSlider::sub-page:horizontal:disabled, QSlider::add-page:vertical:disabled { background: $disabled; }
QSlider::handle:disabled { background: $disabled; border-color: $disabled; }

QProgressBar {
    background: $groove; border: none; border-radius: 2px; min-height: 4px; max-height: 4px; color: transparent;
}
QProgressBar::chunk { background: $accent; border-radius: 2px; }

QScrollBar { background: transparent; border: none; }
QScrollBar:vertical { width: 10px; margin: 0; }
QScrollBar:horizontal { height: 10px; margin: 0; }
QScrollBar::handle { background: $scroll; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::handle:hover, QScrollBar::handle:pressed { background: $scroll_hover; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; background: transparent; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QAbstractScrollArea::corner { background: transparent; border: none; }

QToolTip { background: $tooltip; color: $tooltip_text; border: none; padding: 4px 8px; }
QMenu { background: $field; color: $text; border: none; padding: 4px; }
QMenu::item { padding: 5px 24px 5px 28px; border-radius: 4px; background: transparent; }
QMenu::item:selected { background: $selection; color: $selection_text; }
QMenu::item:disabled { color: $disabled; background: transparent; }
QMenu::icon { left: 8px; padding: 2px; border-radius: 4px; }
QMenu::icon:checked { background: $menu_checked; }
QMenu::separator { height: 1px; background: $control_pressed; margin: 4px 8px; }
QMenu::right-arrow { image: url("$art-right.svg"); width: 12px; height: 12px; right: 6px; }
QMenu::indicator { width: 12px; height: 12px; left: 8px; }
QMenu::indicator:checked { image: url("$art-tick.svg"); }
QMenuBar { background: $panel; color: $text; }
QMenuBar::item { padding: 4px 8px; background: transparent; border-radius: 4px; }
QMenuBar::item:selected { background: $control_hover; }

QAbstractItemView { background: transparent; border: 2px solid transparent; border-radius: 4px; }
QListView:focus, QTreeView:focus, QTableView:focus { border-color: $focus; }
QListView[ring="false"]:focus { border-color: transparent; }
QListView::item, QTreeView::item { min-height: 24px; padding: 0 8px; border-radius: 4px; color: $text; }
QListView::item:hover, QTreeView::item:hover, QTableView::item:hover { background: $control; }
QListView::item:selected, QTreeView::item:selected, QTableView::item:selected {
    background: $selection; color: $selection_text;
}
QTableView { gridline-color: $panel; }
QTableView::item { padding: 2px 8px; }  /* no colour of text: kinds of slots have their own */
QHeaderView { background: transparent; border: none; }
QHeaderView::section {
    background: $panel; color: $secondary; border: none; padding: 4px 8px; font-size: ${caption_px}px;
}
QHeaderView::up-arrow { image: url("$art-up.svg"); width: 9px; height: 9px; }
QHeaderView::down-arrow { image: url("$art-down.svg"); width: 9px; height: 9px; }
QTableCornerButton::section { background: $panel; border: none; }

QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: $accent; }
QTabWidget::pane { border: none; }
QTabBar { background: transparent; }
QTabBar::tab {
    background: transparent; color: $secondary; padding: 5px 10px; border: none; border-bottom: 2px solid transparent;
}
QTabBar::tab:hover { color: $text; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; }
QTabBar::tab:focus { border-bottom-color: $focus; color: $text; }
QGroupBox { border: none; margin-top: 20px; font-weight: 600; color: $text; }
QGroupBox::title { subcontrol-origin: margin; left: 0; }
QStatusBar { background: $panel; color: $secondary; }
QStatusBar::item { border: none; }
""")


def sheet(tokens: Mapping[str, str], name: str, art_dir: Path, mono: str = "monospace") -> str:
    """The style sheet for a theme. ``art_dir`` holds the arrows and ticks, NAME-down.svg and so on; ``mono``
    is the family for what comes from a terminal.
    """
    dark = name == "dark"
    return _SHEET.substitute(
        tokens,
        tooltip_text=TOOLTIP_TEXT,
        banner_link="#8fbcff",
        banner_hover="#4a4a4a" if dark else "#454545",
        box=tokens["control_hover"] if dark else "#d0d0d0",
        box_hover="#4a4a4a" if dark else "#c2c2c2",
        handle=tokens["text"],
        menu_checked="#4a4a4a" if dark else "#cdcdcd",
        mono=mono,
        art=(art_dir / name).as_posix(),
        text_px=TEXT_PX,
        caption_px=CAPTION_PX,
        title_px=TITLE_PX,
    )
