"""The one table of actions: complete, free of collisions, and what is made of it works."""

from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from memorynet_gui.base.actions import ACTIONS, GROUPS, Actions, build, in_group, key_text
from memorynet_gui.look import icons


class Window(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.allowed: set[str] | None = None
        self.done: list[str] = []
        self.actions_by_id = build(self, self.done.append, self.can)
        self.addActions(list(self.actions_by_id.values()))
        self.line = QLineEdit()
        QVBoxLayout(self).addWidget(self.line)

    def can(self, action_id: str) -> bool:
        if self.allowed is None:
            return not ACTIONS[action_id].page
        return action_id in self.allowed


@pytest.fixture
def window(qtbot: QtBot) -> Window:
    window = Window()
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.setFocus()
    return window


@pytest.mark.parametrize("action", ACTIONS.values(), ids=list(ACTIONS))
def test_every_action_has_words_and_valid_keys(action: object, qtbot: QtBot) -> None:
    from memorynet_gui.base.actions import Action

    assert isinstance(action, Action)
    assert action.text[0].isupper() or action.text[0].isdigit()
    assert not action.text.endswith(".")
    assert action.tooltip and not action.tooltip.endswith(".")
    assert action.group in GROUPS
    assert action.icon or action.held
    if action.icon:
        assert not icons.outline(action.icon).isEmpty()  # type: ignore[union-attr]
    for key in action.keys:
        sequence = QKeySequence(key)
        assert sequence.count() == 1
        assert sequence[0].key() != Qt.Key.Key_unknown
        assert sequence.toString(QKeySequence.SequenceFormat.PortableText) == key
    if action.keys:
        assert action.full_tooltip.endswith(f"({action.shortcut_text})")


def test_no_key_does_two_things() -> None:
    for page in {action.page for action in ACTIONS.values()}:
        of_page = [action for action in ACTIONS.values() if action.page == page]
        counted = Counter(QKeySequence(key).toString() for action in of_page for key in action.keys)
        assert [key for key, count in counted.items() if count > 1] == []


HABITS = {
    "open": "Ctrl+O",
    "open_folder": "Ctrl+Shift+O",
    "paste": "Ctrl+V",
    "save": "Ctrl+S",
    "save_as": "Ctrl+Shift+S",
    "copy": "Ctrl+C",
    "copy_command": "Ctrl+Shift+C",
    "run": "Ctrl+Return",
    "run_all": "Ctrl+Shift+Return",
    "cancel": "Esc",
    "pause": "Ctrl+P",
    "remove": "Del",
    "undo": "Ctrl+Z",
    "select_all": "Ctrl+A",
    "mode_wipe": "1",
    "mode_side": "2",
    "mode_difference": "3",
    "mode_restored": "4",
    "hold_original": "Space",
    "toggle_zoom": "Z",
    "zoom_fit": "Ctrl+0",
    "zoom_100": "Ctrl+1",
    "zoom_in": "Ctrl++",
    "zoom_out": "Ctrl+-",
    "full_screen": "F11",
    "toggle_inspector": "F8",
    "toggle_filmstrip": "F9",
    "settings": "Ctrl+,",
    "quit": "Ctrl+Q",
}


@pytest.mark.parametrize(("action_id", "key"), HABITS.items())
def test_the_habits_of_the_hand(action_id: str, key: str) -> None:
    assert key in ACTIONS[action_id].keys


def test_help_has_both_its_keys() -> None:
    assert {"F1", "?"} <= set(ACTIONS["shortcuts"].keys)
    assert {"PgDown", "]"} <= set(ACTIONS["next"].keys)
    assert {"PgUp", "["} <= set(ACTIONS["previous"].keys)


def test_keys_reach_the_dispatcher(window: Window, qtbot: QtBot) -> None:
    qtbot.keyClick(window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(window, Qt.Key.Key_Enter, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(window, Qt.Key.Key_3)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.done == ["open", "run", "run", "mode_difference", "cancel"]


def test_typing_does_not_trigger_anything(window: Window, qtbot: QtBot) -> None:
    window.line.setFocus()
    qtbot.keyClicks(window.line, "z123 ][?")
    assert window.line.text() == "z123 ][?"
    assert window.done == []


def test_what_cannot_be_done_is_not_done(window: Window, qtbot: QtBot) -> None:
    window.allowed = {"open"}
    # a key that comes before anyone refreshed
    qtbot.keyClick(window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert window.done == []
    window.actions_by_id.refresh()
    assert {name for name, action in window.actions_by_id.items() if action.isEnabled()} == {"open"}
    window.actions_by_id["save"].trigger()
    window.actions_by_id["open"].trigger()
    assert window.done == ["open"]


def test_modes_are_alternatives(window: Window) -> None:
    modes = [name for name in ACTIONS if ACTIONS[name].choice == "mode"]
    assert len(modes) == 4
    for name in modes:
        window.actions_by_id[name].trigger()
        assert [each for each in modes if window.actions_by_id[each].isChecked()] == [name]


def test_held_actions_are_left_to_the_view(window: Window) -> None:
    assert isinstance(window.actions_by_id, Actions)
    assert set(window.actions_by_id) == {name for name in ACTIONS if not ACTIONS[name].held}
    assert all(isinstance(action, QAction) for action in window.actions_by_id.values())


def test_groups_hold_every_action_once() -> None:
    assert [action.id for group in GROUPS for action in in_group(group)] == list(ACTIONS)


def test_keys_are_written_as_on_the_keyboard() -> None:
    assert key_text("Ctrl+Return") == "Ctrl+Enter"
    assert ACTIONS["run"].full_tooltip == "Restore the photo that is shown (Ctrl+Enter)"
