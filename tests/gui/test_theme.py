"""Both themes are readable, complete and quiet; icons follow them."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from PySide6.QtCore import QRectF, Qt, qInstallMessageHandler
from PySide6.QtGui import QAction, QColor, QIcon, QImage, QPainter, QPalette
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QMenu,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QScrollBar,
    QSlider,
    QSpinBox,
    QSplitter,
    QTableWidget,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot
from skimage.color import rgb2lab

from core.model.catalog import RESOURCES
from memorynet_gui.look import icons
from memorynet_gui.look import sheet as theme_sheet
from memorynet_gui.look.theme import ART_DIR, Theme, app_font, set_role, set_surface
from memorynet_gui.look.tokens import DARK, LIGHT, PAIRS, TOOLTIP_TEXT, contrast

pytestmark = pytest.mark.dressed

TOKENS = {"dark": DARK, "light": LIGHT}


def test_contrast_is_wcags() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the textbook near miss
    assert contrast("#123456", "#123456") == 1.0


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize(("text", "surface"), PAIRS)
def test_text_is_readable(name: str, text: str, surface: str) -> None:
    assert contrast(TOKENS[name][text], TOKENS[name][surface]) >= 4.5


@pytest.mark.parametrize("name", TOKENS)
def test_the_rest_can_be_told_apart(name: str) -> None:
    tokens = TOKENS[name]
    assert contrast(TOOLTIP_TEXT, tokens["tooltip"]) >= 4.5
    assert contrast("#8fbcff", tokens["tooltip"]) >= 4.5
    for surface in ("window", "panel", "field"):
        assert contrast(tokens["focus"], tokens[surface]) >= 3.0  # WCAG 1.4.11: parts that are not text
    assert contrast(tokens["accent"], tokens["groove"]) >= 3.0


def test_surfaces_are_neutral_and_both_themes_complete() -> None:
    assert set(DARK) == set(LIGHT)
    for tokens in TOKENS.values():
        for token in ("window", "panel", "field", "control", "control_hover", "text", "secondary", "line"):
            value = tokens[token]
            assert value[1:3] == value[3:5] == value[5:7], f"{token} {value} has a tint"


# linear RGB as one of the three kinds of cones' absence leaves it: Machado, Oliveira and Fernandes 2009
EYES = {
    "all cones": np.eye(3),
    "no red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("eyes", EYES)
def test_the_three_meanings_are_told_apart_by_colour_blind_eyes(name: str, eyes: str) -> None:
    colours = [QColor(TOKENS[name][meaning]) for meaning in ("positive", "negative", "actual")]
    srgb = np.array([colour.getRgbF()[:3] for colour in colours])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(EYES[eyes]).T, 0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    for one, other in itertools.combinations(rgb2lab(encoded), 2):
        assert np.linalg.norm(one - other) > 30, "of CIELAB, where 2.3 can just be seen"


@pytest.mark.parametrize("name", TOKENS)
def test_what_helps_is_blue_what_hurts_orange_and_what_is_there_grey(name: str) -> None:
    positive, negative, actual = (
        QColor(TOKENS[name][meaning]) for meaning in ("positive", "negative", "actual")
    )
    assert 200 <= positive.hsvHue() <= 220 and positive.hsvSaturationF() > 0.5
    assert 20 <= negative.hsvHue() <= 35 and negative.hsvSaturationF() > 0.5
    assert actual.hsvSaturation() == 0


@pytest.mark.parametrize("name", TOKENS)
def test_the_sheet_names_only_art_that_is_there(qapp: QApplication, name: str) -> None:
    sheet = theme_sheet.sheet(TOKENS[name], name, ART_DIR)
    assert "$" not in sheet
    files = set(re.findall(r'url\("([^"]+)"\)', sheet))
    assert files
    for file in files:
        assert not QIcon(file).pixmap(12, 12).isNull(), file
    used = {file.rsplit("/", 1)[1] for file in files}
    assert {path.name for path in ART_DIR.glob(f"{name}-*.svg")} == used


def every_widget() -> QWidget:
    window = QWidget()
    set_surface(window, "panel")
    layout = QVBoxLayout(window)
    combo = QComboBox()
    combo.addItems(["a", "b"])
    table = QTableWidget(2, 2)
    tabs = QTabWidget()
    tabs.addTab(QLabel("x"), "X")
    check = QCheckBox("c")
    check.setChecked(True)
    tool = QToolButton()
    tool.setMenu(QMenu(tool))
    for widget in (
        QPushButton("b"),
        tool,
        combo,
        QLineEdit("t"),
        QSpinBox(),
        QSlider(Qt.Orientation.Horizontal),
        QProgressBar(),
        QScrollBar(Qt.Orientation.Horizontal),
        check,
        QRadioButton("r"),
        QListWidget(),
        table,
        tabs,
        QSplitter(),
    ):
        layout.addWidget(widget)
    for role in ("primary", "quiet", "link", "segment"):
        button = QPushButton(role)
        set_role(button, role)
        layout.addWidget(button)
    return window


@pytest.mark.parametrize("name", TOKENS)
def test_qt_has_nothing_to_complain_about(app: QApplication, qtbot: QtBot, name: str) -> None:
    said: list[str] = []
    before = qInstallMessageHandler(lambda _kind, _context, text: said.append(text))
    try:
        Theme(app, name)
        window = every_widget()
        qtbot.addWidget(window)
        window.show()
        window.grab()
    finally:
        qInstallMessageHandler(before)
    assert [text for text in said if "propagateSizeHints" not in text] == []


@pytest.mark.parametrize("name", TOKENS)
def test_buttons_look_as_the_tokens_say(app: QApplication, qtbot: QtBot, name: str) -> None:
    theme = Theme(app, name)
    window = QWidget()
    set_surface(window, "panel")
    layout = QVBoxLayout(window)
    plain, primary, focused = QPushButton(), QPushButton(), QPushButton()
    set_role(primary, "primary")
    for button in (plain, primary, focused):
        layout.addWidget(button)
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    focused.setFocus()
    image = window.grab().toImage()

    def inside(button: QPushButton) -> QColor:
        return image.pixelColor(button.geometry().center())

    assert image.pixelColor(2, 2) == theme.token("panel")
    assert inside(plain) == theme.token("control")
    assert inside(primary) == theme.token("accent")
    edge = focused.geometry()
    assert image.pixelColor(edge.center().x(), edge.top()) == theme.token("focus")
    assert image.pixelColor(plain.geometry().center().x(), plain.geometry().top()) == theme.token("control")
    set_role(plain, "primary")
    assert window.grab().toImage().pixelColor(plain.geometry().center()) == theme.token("accent")


@pytest.mark.parametrize("name", TOKENS)
def test_quiet_words_are_the_secondary_colour(app: QApplication, qtbot: QtBot, name: str) -> None:
    """Left alone, Qt paints them as text of half opacity, too faint on the light theme's greys."""
    theme = Theme(app, name)
    window = every_widget()
    qtbot.addWidget(window)
    window.show()
    for kind in (QComboBox, QLineEdit, QSpinBox):
        for widget in window.findChildren(kind):
            placeholder = widget.palette().color(QPalette.ColorRole.PlaceholderText)
            assert placeholder == theme.token("secondary"), widget
    popup = window.findChild(QComboBox).view()  # type: ignore[union-attr]
    popup.ensurePolished()
    assert popup.palette().color(QPalette.ColorRole.PlaceholderText) == theme.token("secondary")
    assert popup.palette().color(QPalette.ColorRole.HighlightedText) == theme.token("selection_text")


def test_the_mode_can_change_while_running(app: QApplication) -> None:
    theme = Theme(app, "dark")
    heard: list[str] = []
    theme.changed.connect(lambda: heard.append(theme.name))
    assert app.palette().color(QPalette.ColorRole.Window) == QColor(DARK["window"])
    theme.set_mode("light")
    theme.set_mode("light")
    assert heard == ["light"]
    assert app.palette().color(QPalette.ColorRole.Window) == QColor(LIGHT["window"])
    assert theme.token("text") == QColor(LIGHT["text"])
    theme.toggle()
    assert (theme.mode, theme.is_dark) == ("dark", True)
    with pytest.raises(ValueError, match="purple"):
        theme.set_mode("purple")


def test_the_system_is_followed_only_when_asked(app: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hints:
        scheme = Qt.ColorScheme.Light

        def colorScheme(self) -> Qt.ColorScheme:
            return self.scheme

    hints = Hints()
    theme = Theme(app, "system")
    monkeypatch.setattr(theme, "_app", _WithHints(app, hints))
    theme._scheme_changed()
    assert theme.name == "light"
    hints.scheme = Qt.ColorScheme.Dark
    theme._scheme_changed()
    assert theme.name == "dark"
    hints.scheme = Qt.ColorScheme.Unknown
    theme._scheme_changed()
    assert theme.name == "dark"
    theme.set_mode("light")
    hints.scheme = Qt.ColorScheme.Dark
    theme._scheme_changed()
    assert theme.name == "light"


class _WithHints:
    """The application with style hints of our choosing: offscreen there is no system to follow."""

    def __init__(self, app: QApplication, hints: object) -> None:
        self._app, self._hints = app, hints

    def styleHints(self) -> object:
        return self._hints

    def __getattr__(self, name: str) -> object:
        return getattr(self._app, name)


# --- icons -----------------------------------------------------------------------------------------


def ink(icon: QIcon, mode: QIcon.Mode = QIcon.Mode.Normal, state: QIcon.State = QIcon.State.Off) -> QColor:
    """The colour of the most opaque pixel."""
    image = icon.pixmap(24, 24, mode, state).toImage().convertToFormat(QImage.Format.Format_ARGB32)
    pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    best = max(pixels, key=QColor.alpha)
    assert best.alpha() == 255
    return best


def test_icons_take_the_themes_colours_and_follow_it(app: QApplication, qtbot: QtBot) -> None:
    theme = Theme(app, "dark")
    window = QWidget()
    qtbot.addWidget(window)
    button = QToolButton(window)
    action = QAction("x", window)
    theme.set_icon(button, "mdi6.play", "secondary", checked="accent")
    theme.set_icon(action, "mdi6.pause")
    assert ink(button.icon()) == theme.token("secondary")
    assert ink(button.icon(), state=QIcon.State.On) == theme.token("accent")
    assert ink(button.icon(), QIcon.Mode.Disabled) == theme.token("disabled")
    theme.set_mode("light")
    assert ink(button.icon()) == QColor(LIGHT["secondary"])
    assert ink(action.icon()) == QColor(LIGHT["text"])
    assert theme.icon("mdi6.play") is theme.icon("mdi6.play")


def test_icons_are_qtawesomes_own(qapp: QApplication) -> None:
    import qtawesome

    for name in ("mdi6.play", "mdi6.folder-open-outline", "mdi6.content-copy"):
        ours, theirs = (
            QImage(96, 96, QImage.Format.Format_ARGB32),
            QImage(96, 96, QImage.Format.Format_ARGB32),
        )
        for image in (ours, theirs):
            image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(ours)
        icons.draw(painter, name, QRectF(0, 0, 96, 96), QColor("black"))
        painter.end()
        painter = QPainter(theirs)
        qtawesome.icon(name, color="black", scale_factor=1 / 0.875).paint(painter, 0, 0, 96, 96)
        painter.end()
        covered = [
            sum(image.pixelColor(x, y).alpha() for x in range(96) for y in range(96)) / (255 * 96 * 96)
            for image in (ours, theirs)
        ]
        both = sum(
            min(ours.pixelColor(x, y).alpha(), theirs.pixelColor(x, y).alpha())
            for x in range(96)
            for y in range(96)
        ) / (255 * 96 * 96)
        assert both > 0.6 * max(covered), name


def test_without_the_fonts_file_the_package_is_asked(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icons, "outline", lambda _name: None)
    assert ink(icons.make("mdi6.play", QColor("#ff0000"), QColor("#00ff00"))) == QColor("#ff0000")
    with pytest.raises(icons.UnknownIcon):
        icons.make("mdi6.no-such-icon", QColor("red"), QColor("red"))


def test_unknown_icons_are_refused(qapp: QApplication) -> None:
    for name in ("mdi6.no-such-icon", "fa5s.play", "play"):
        with pytest.raises(icons.UnknownIcon):
            icons.outline(name)


def test_figures_have_equal_width(qapp: QApplication) -> None:
    from PySide6.QtGui import QFontMetricsF

    font = app_font()
    assert font.pixelSize() == 13
    metrics = QFontMetricsF(font)
    assert len({round(metrics.horizontalAdvance(figure), 3) for figure in "0123456789"}) == 1


def test_the_mark_of_the_program_is_drawn(qapp: QApplication) -> None:
    for file in ("memorynet.svg", "memorynet.png"):
        image = QIcon(str(RESOURCES / "icons" / file)).pixmap(256, 256).toImage()
        assert (image.width(), image.height()) == (256, 256), file
        assert image.pixelColor(128, 61) == QColor(DARK["positive"])
        assert image.pixelColor(128, 128) == QColor(DARK["negative"])
        assert image.pixelColor(0, 0).alpha() == 0
