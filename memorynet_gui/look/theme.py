"""Light and dark: colours by name, icons in those colours, and the application dressed in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFont, QFontDatabase, QIcon, QPalette
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QStyleFactory, QWidget

from memorynet_gui.look import icons
from memorynet_gui.look.sheet import CAPTION_PX, TEXT_PX, sheet
from memorynet_gui.look.tokens import DARK, LIGHT, TOOLTIP_TEXT

MODES = ("system", "dark", "light")
GRID_PX = 8
CORNER_PX = 4
ART_DIR = Path(__file__).resolve().parents[2] / "resources" / "themes"

_ICON_NAME, _ICON_ROLE, _ICON_CHECKED = "mn_icon", "mn_icon_role", "mn_icon_checked"
_FAMILIES = ("Inter", "Inter Variable", "Segoe UI", "Cantarell", "Noto Sans", "Roboto")


class Theme(QObject):
    """The look of the application. ``changed`` comes after everything is repainted in the other theme.

    ``mode`` is what was chosen ("system", "dark", "light"), ``name`` what that means now ("dark", "light").
    """

    changed = Signal()

    def __init__(self, app: QApplication, mode: str = "system", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self._mode = ""
        self._name = ""
        self._icons: dict[tuple[str, str, str], QIcon] = {}
        app.setStyle(QStyleFactory.create("Fusion"))
        app.setFont(app_font())
        app.styleHints().colorSchemeChanged.connect(self._scheme_changed)
        self.set_mode(mode)

    # --- which ---------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        return self._mode

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_dark(self) -> bool:
        return self._name == "dark"

    @property
    def tokens(self) -> Mapping[str, str]:
        """Every colour as "#rrggbb"."""
        return DARK if self.is_dark else LIGHT

    def set_mode(self, mode: str) -> None:
        """Raises ValueError for anything but "system", "dark" or "light"."""
        if mode not in MODES:
            raise ValueError(f"theme {mode!r}, need one of {', '.join(MODES)}")
        self._mode = mode
        self._show(self._wanted())

    def toggle(self) -> None:
        """From dark to light and back, whatever the system says."""
        self.set_mode("light" if self.is_dark else "dark")

    def _wanted(self) -> str:
        if self._mode != "system":
            return self._mode
        # an unknown scheme is shown dark: the photo is to be the brightest thing in the window
        return "light" if self._app.styleHints().colorScheme() == Qt.ColorScheme.Light else "dark"

    def _scheme_changed(self) -> None:
        if self._mode == "system":
            self._show(self._wanted())

    def _show(self, name: str) -> None:
        if name == self._name:
            return
        self._name = name
        self._icons.clear()
        self._app.setPalette(palette(self.tokens))
        mono = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
        self._app.setStyleSheet(sheet(self.tokens, name, ART_DIR, mono))
        self._renew_icons()
        self.changed.emit()

    @contextlib.contextmanager
    def undressed(self) -> Iterator[None]:
        """Widgets built in here get the style sheet at the end, once.

        Otherwise a widget and all in it are dressed anew each time they are put into another: a sixth of the
        window's start. For before anything shows: all that is there undresses, too.
        """
        worn = self._app.styleSheet()
        self._app.setStyleSheet("")
        try:
            yield
        finally:
            self._app.setStyleSheet(worn)

    # --- parts ---------------------------------------------------------------------------------

    def token(self, name: str) -> QColor:
        """A colour by its name in :mod:`memorynet_gui.look.tokens`. Raises KeyError."""
        return QColor(self.tokens[name])

    def icon(self, name: str, role: str = "text", checked: str = "") -> QIcon:
        """An mdi6 icon in the colour of token ``role`` (``checked``: while its button is), for this theme.

        Raises :class:`memorynet_gui.look.icons.UnknownIcon`.
        """
        key = (name, role, checked)
        if key not in self._icons:
            self._icons[key] = icons.make(
                name, self.token(role), self.token("disabled"), self.token(checked) if checked else None
            )
        return self._icons[key]

    def set_icon(
        self, target: QAbstractButton | QAction, name: str, role: str = "text", checked: str = ""
    ) -> None:
        """Give ``target`` the icon, now and after every change of theme."""
        target.setProperty(_ICON_NAME, name)
        target.setProperty(_ICON_ROLE, role)
        target.setProperty(_ICON_CHECKED, checked)
        target.setIcon(self.icon(name, role, checked))

    def _renew_icons(self) -> None:
        # the targets are found through their properties: keeping a list of them here would keep them alive
        targets: list[QObject] = [w for w in self._app.allWidgets() if isinstance(w, QAbstractButton)]
        for widget in self._app.topLevelWidgets():
            targets.extend(widget.findChildren(QAction))
        for target in targets:
            name = target.property(_ICON_NAME)
            if name and isinstance(target, (QAbstractButton, QAction)):
                target.setIcon(
                    self.icon(
                        name, target.property(_ICON_ROLE) or "text", target.property(_ICON_CHECKED) or ""
                    )
                )


def set_role(widget: QWidget, role: str) -> None:
    """Say what a widget is (see :mod:`memorynet_gui.look.sheet`) and dress it accordingly, at any time."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        repolish(widget)


def set_surface(widget: QWidget, surface: str) -> None:
    """Make a container "window", "panel" or "bar"."""
    widget.setProperty("surface", surface)
    widget.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    repolish(widget)


KEPT_CLEAR = "keptClear"
"""The property of what messages that lie over the page do not cover."""


def keep_clear(widget: QWidget) -> None:
    """Messages find another place while this can be seen."""
    widget.setProperty(KEPT_CLEAR, True)


def inset(box: QAbstractSpinBox) -> None:
    """Keep a spin box's number off its edge: Qt ignores the style sheet's padding there."""
    box.lineEdit().setTextMargins(GRID_PX, 0, 0, 0)


def repolish(widget: QWidget) -> None:
    """Look up the style sheet again after a property it asks for has changed."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)
    widget.update()


def app_font(size_px: int = TEXT_PX) -> QFont:
    """The font of the window, with figures of equal width so that numbers do not dance."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    known = set(QFontDatabase.families())
    best = next((family for family in _FAMILIES if family in known), None)
    if best is not None:
        font.setFamilies([best, font.family()])
    font.setPixelSize(size_px)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def caption_font() -> QFont:
    return app_font(CAPTION_PX)


def palette(tokens: Mapping[str, str]) -> QPalette:
    """For everything that paints itself; the style sheet says the same to the rest."""
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    made = QPalette()
    for where, token in (
        (role.Window, "window"),
        (role.WindowText, "text"),
        (role.Base, "field"),
        (role.AlternateBase, "panel"),
        (role.Text, "text"),
        (role.PlaceholderText, "secondary"),
        (role.Button, "control"),
        (role.ButtonText, "text"),
        (role.BrightText, "error"),
        (role.Light, "control_pressed"),
        (role.Midlight, "control_hover"),
        (role.Mid, "groove"),
        (role.Dark, "line"),
        (role.Shadow, "window"),
        (role.Highlight, "accent"),
        (role.HighlightedText, "accent_text"),
        (role.Accent, "accent"),
        (role.Link, "link"),
        (role.LinkVisited, "link"),
        (role.ToolTipBase, "tooltip"),
    ):
        made.setColor(where, QColor(tokens[token]))
    made.setColor(role.ToolTipText, QColor(TOOLTIP_TEXT))
    for where in (role.WindowText, role.Text, role.ButtonText, role.PlaceholderText):
        made.setColor(group.Disabled, where, QColor(tokens["disabled"]))
    made.setColor(group.Disabled, role.Highlight, QColor(tokens["control_pressed"]))
    made.setColor(group.Disabled, role.HighlightedText, QColor(tokens["disabled"]))
    return made
