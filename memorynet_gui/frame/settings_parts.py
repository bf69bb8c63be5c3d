"""What the parts of the settings are laid out with."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget


def form() -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(24)
    form.setVerticalSpacing(12)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    return form


def tab(layout: QFormLayout | QVBoxLayout) -> QWidget:
    made = QWidget()
    fill_tab(made, layout)
    return made


def fill_tab(tab: QWidget, layout: QFormLayout | QVBoxLayout) -> None:
    outer = QVBoxLayout(tab)
    outer.setContentsMargins(0, 20, 0, 0)
    outer.addLayout(layout)
    outer.addStretch(1)


def leftmost(widget: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(widget)
    row.addStretch(1)
    return row


def caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "caption")
    label.setWordWrap(True)
    return label
