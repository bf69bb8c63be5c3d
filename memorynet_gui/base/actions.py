"""Every action of the window as data: words, keys, icon, where it belongs. Menus, tooltips and the sheet of
shortcuts are made from this one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeyEvent, QKeySequence

if TYPE_CHECKING:
    from memorynet_gui.look.theme import Theme

GLOBAL = "window"
"""``where`` of actions the window itself handles; the others go to the page that is shown."""


@dataclass(frozen=True, slots=True)
class Action:
    id: str
    text: str  # sentence case; "…" when it asks something first
    tooltip: str  # one line, without the key: that is added
    group: str  # heading in menus and on the sheet
    keys: tuple[str, ...] = ()  # portable names; the first is shown
    icon: str = ""  # qtawesome, mdi6
    where: str = "page"  # GLOBAL, or "page": whichever page is shown and can
    choice: str = ""  # actions of one name are alternatives, one is checked
    checkable: bool = False
    held: bool = False  # acts while its key is down; the view listens for it, no QAction is made
    repeats: bool = False  # holding the key goes on doing it
    page: str = ""  # id of the one page it is for; two pages may give one key to different actions

    @property
    def shortcut_text(self) -> str:
        """The first key as this system writes it, or ""."""
        return key_text(self.keys[0]) if self.keys else ""

    @property
    def full_tooltip(self) -> str:
        return f"{self.tooltip} ({self.shortcut_text})" if self.keys else self.tooltip


FILE, PHOTOS, WORK, TRAIN, VIEW, WINDOW = "File", "Photos", "Work", "Training", "View", "Window"

_TABLE: tuple[Action, ...] = (
    Action("open", "Open photos…", "Choose photos from your disk", FILE, ("Ctrl+O",), "mdi6.image-plus"),
    Action(
        "open_folder",
        "Open folder…",
        "Add every photo of a folder",
        FILE,
        ("Ctrl+Shift+O",),
        "mdi6.folder-open-outline",
    ),
    Action(
        "paste", "Paste", "Add the photo or files on the clipboard", FILE, ("Ctrl+V",), "mdi6.content-paste"
    ),
    Action(
        "save",
        "Save",
        "Write the result; the original is never overwritten",
        FILE,
        ("Ctrl+S",),
        "mdi6.content-save-outline",
    ),
    Action(
        "save_as",
        "Save as…",
        "Choose folder, name, format and quality",
        FILE,
        ("Ctrl+Shift+S",),
        "mdi6.content-save-edit-outline",
    ),
    Action(
        "save_all",
        "Save all",
        "Write every finished photo that is not saved yet; where nothing was found it stays as it is",
        FILE,
        ("Ctrl+Alt+S",),
        "mdi6.content-save-all-outline",
    ),
    Action(
        "save_comparison",
        "Save before and after…",
        "Write one picture that shows both",
        FILE,
        ("Ctrl+Shift+B",),
        "mdi6.image-multiple-outline",
    ),
    Action("copy", "Copy result", "Put the result on the clipboard", FILE, ("Ctrl+C",), "mdi6.content-copy"),
    Action(
        "copy_command",
        "Copy as command",
        "The command line that does exactly this",
        FILE,
        ("Ctrl+Shift+C",),
        "mdi6.console",
    ),
    Action(
        "next",
        "Next photo",
        "Show the next photo",
        PHOTOS,
        ("PgDown", "]"),
        "mdi6.chevron-right",
        repeats=True,
    ),
    Action(
        "previous",
        "Previous photo",
        "Show the photo before",
        PHOTOS,
        ("PgUp", "["),
        "mdi6.chevron-left",
        repeats=True,
    ),
    Action(
        "select_all", "Select all", "Select every photo in the strip", PHOTOS, ("Ctrl+A",), "mdi6.select-all"
    ),
    Action(
        "remove",
        "Remove",
        "Take the selected photos off the strip; files stay",
        PHOTOS,
        ("Del",),
        "mdi6.trash-can-outline",
    ),
    Action("undo", "Undo", "Bring back what was removed last", PHOTOS, ("Ctrl+Z",), "mdi6.undo"),
    Action("redo", "Redo", "Do again what was undone", PHOTOS, ("Ctrl+Shift+Z", "Ctrl+Y"), "mdi6.redo"),
    Action(
        "retry",
        "Retry",
        "Restore the photos again that failed or were cancelled",
        PHOTOS,
        ("Ctrl+R",),
        "mdi6.refresh",
    ),
    Action(
        "run",
        "Restore",
        "Restore the photo that is shown",
        WORK,
        ("Ctrl+Return", "Ctrl+Enter"),
        "mdi6.play-outline",
    ),
    Action(
        "run_all",
        "Restore all",
        "Restore every photo that waits",
        WORK,
        ("Ctrl+Shift+Return", "Ctrl+Shift+Enter"),
        "mdi6.play-box-multiple-outline",
    ),
    Action(
        "keep_result",
        "Keep this result",
        "Put the result aside, so that one with other settings can be seen beside it",
        WORK,
        ("K",),
        "mdi6.pin-outline",
        page="restore",
    ),
    Action(
        "compare_kept",
        "Compare with the kept result",
        "The kept result and the present one, instead of before and after",
        WORK,
        ("Shift+K",),
        "mdi6.compare-horizontal",
        page="restore",
    ),
    Action(
        "exchange_kept",
        "Exchange with the kept result",
        "Make the kept result the present one, and keep this one",
        WORK,
        (),
        "mdi6.swap-horizontal",
        page="restore",
    ),
    Action(
        "drop_kept",
        "Let go of the kept result",
        "Keep only the present result",
        WORK,
        (),
        "mdi6.pin-off-outline",
        page="restore",
    ),
    Action(
        "paint_mask",
        "Mask",
        "Mark where the damage is, or where alone the photo may change",
        WORK,
        ("M",),
        "mdi6.brush-variant",
        page="restore",
    ),
    Action(
        "teach",
        "Teach",
        "Paint over the photo what is damage and what is not",
        WORK,
        ("T",),
        "mdi6.brush-variant",
        page="memory",
    ),
    Action("pause", "Pause", "Pause or go on", WORK, ("Ctrl+P",), "mdi6.pause", GLOBAL, checkable=True),
    Action(
        "cancel",
        "Cancel",
        "Stop what is running; what is finished stays",
        WORK,
        ("Esc",),
        "mdi6.close",
        GLOBAL,
    ),
    Action("new_run", "New run…", "Set up a training run", TRAIN, ("Ctrl+N",), "mdi6.plus", page="train"),
    Action(
        "open_recipe",
        "Open recipe…",
        "Set up a training run from a recipe file",
        TRAIN,
        ("Ctrl+O",),
        "mdi6.file-document-outline",
        page="train",
    ),
    Action(
        "start_run",
        "Start or continue training",
        "Start the run that is set up, or go on with the one that is shown",
        TRAIN,
        ("Ctrl+Return", "Ctrl+Enter"),
        "mdi6.play-outline",
        page="train",
    ),
    Action(
        "save_run",
        "Save checkpoint now",
        "Keep the state of training after the step at hand",
        TRAIN,
        ("Ctrl+S",),
        "mdi6.content-save-outline",
        page="train",
    ),
    Action(
        "export_run",
        "Export…",
        "Model, curves or recipe of the run that is shown, as files",
        TRAIN,
        ("Ctrl+Shift+S",),
        "mdi6.export-variant",
        page="train",
    ),
    Action(
        "mode_wipe",
        "Wipe",
        "Original left, restored right of a line to drag",
        VIEW,
        ("1",),
        "mdi6.compare",
        choice="mode",
    ),
    Action(
        "mode_side",
        "Side by side",
        "Original and restored next to each other",
        VIEW,
        ("2",),
        "mdi6.view-split-vertical",
        choice="mode",
    ),
    Action(
        "mode_difference",
        "Difference",
        "What was taken out, made visible",
        VIEW,
        ("3",),
        "mdi6.circle-half-full",
        choice="mode",
    ),
    Action(
        "mode_restored",
        "Restored",
        "The restored photo alone",
        VIEW,
        ("4",),
        "mdi6.image-outline",
        choice="mode",
    ),
    Action("hold_original", "Original while held", "Hold to see the original", VIEW, ("Space",), held=True),
    Action(
        "toggle_zoom",
        "Fit or 100 %",
        "Between the whole photo and its own pixels",
        VIEW,
        ("Z",),
        "mdi6.magnify-scan",
    ),
    Action("zoom_fit", "Fit", "Show the whole photo", VIEW, ("Ctrl+0",), "mdi6.fit-to-screen-outline"),
    Action(
        "zoom_100",
        "100 %",
        "One pixel of the photo on one of the screen",
        VIEW,
        ("Ctrl+1",),
        "mdi6.magnify-scan",
    ),
    Action(
        "zoom_in",
        "Zoom in",
        "Closer",
        VIEW,
        ("Ctrl++", "Ctrl+="),
        "mdi6.magnify-plus-outline",
        repeats=True,
    ),
    Action(
        "zoom_out", "Zoom out", "Further away", VIEW, ("Ctrl+-",), "mdi6.magnify-minus-outline", repeats=True
    ),
    Action(
        "toggle_grid",
        "Grid",
        "Show all photos of the list at once, or one large",
        VIEW,
        ("G",),
        "mdi6.view-grid-outline",
        page="restore",
    ),
    Action(
        "toggle_inspector",
        "Inspector",
        "Show or hide the panel at the right",
        WINDOW,
        ("F8",),
        "mdi6.dock-right",
        GLOBAL,
        checkable=True,
    ),
    Action(
        "toggle_filmstrip",
        "Filmstrip",
        "Show or hide the strip of photos",
        WINDOW,
        ("F9",),
        "mdi6.filmstrip",
        checkable=True,
    ),
    Action(
        "full_screen", "Full screen", "Nothing but this window", WINDOW, ("F11",), "mdi6.fullscreen", GLOBAL
    ),
    Action(
        "shortcuts",
        "Shortcuts",
        "Show what the keys do",
        WINDOW,
        ("F1", "?"),
        "mdi6.keyboard-outline",
        GLOBAL,
    ),
    Action(
        "settings",
        "Settings…",
        "Appearance, device, output; about this program",
        WINDOW,
        ("Ctrl+,",),
        "mdi6.cog-outline",
        GLOBAL,
    ),
    Action("quit", "Quit", "Close the window", WINDOW, ("Ctrl+Q",), "mdi6.logout", GLOBAL),
)

ACTIONS: Mapping[str, Action] = MappingProxyType({action.id: action for action in _TABLE})
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(action.group for action in _TABLE))

MOUSE: tuple[tuple[str, str], ...] = (
    ("Wheel", "Zoom to the pointer"),
    ("Drag", "Move the photo"),
    ("Drag the line", "Move the wipe"),
    ("Double-click", "Fit or 100 %"),
    ("Drop", "Add photos and folders"),
)
"""What the hand does without keys, for the sheet."""


def key_text(key: str) -> str:
    """A portable key name as this system writes it; Return, as keyboards have it: Enter."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText).replace("Return", "Enter")


def in_group(group: str) -> tuple[Action, ...]:
    return tuple(action for action in _TABLE if action.group == group)


class Actions(Mapping[str, QAction]):
    """The window's QActions by id."""

    def __init__(self, made: Mapping[str, QAction], can: Callable[[str], bool]) -> None:
        self._made, self._can = dict(made), can

    def __getitem__(self, action_id: str) -> QAction:
        return self._made[action_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def refresh(self) -> None:
        """Ask anew which can be done. Cheap; call it whenever a page says its status changed."""
        for action_id, action in self._made.items():
            action.setEnabled(self._can(action_id))

    def set_icons(self, theme: Theme) -> None:
        """Give each its icon, which then follows the theme."""
        for action_id, action in self._made.items():
            if ACTIONS[action_id].icon:
                theme.set_icon(action, ACTIONS[action_id].icon)


def build(
    parent: QObject, dispatch: Callable[[str], None], can: Callable[[str], bool] = lambda _id: True
) -> Actions:
    """A QAction for every entry but the held ones, children of ``parent``.

    ``dispatch(id)`` is called when one is triggered and ``can(id)`` says that it may: asked at that moment,
    too, since a key may come before anyone refreshed. The window adds them to itself (``addAction``) so that
    their keys work.
    """
    made: dict[str, QAction] = {}
    choices: dict[str, QActionGroup] = {}
    for entry in _TABLE:
        if entry.held:
            continue
        action = QAction(entry.text, parent)
        action.setObjectName(entry.id)
        action.setToolTip(entry.full_tooltip)
        action.setStatusTip(entry.tooltip)
        action.setShortcuts([QKeySequence(key) for key in entry.keys])
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.setAutoRepeat(entry.repeats)
        action.setCheckable(entry.checkable or bool(entry.choice))
        action.setEnabled(not entry.page)  # until that page shows, its keys are another's
        if entry.choice:
            if entry.choice not in choices:
                choices[entry.choice] = QActionGroup(parent)
            choices[entry.choice].addAction(action)
        if entry.id == "quit":
            action.setMenuRole(QAction.MenuRole.QuitRole)
        elif entry.id == "settings":
            action.setMenuRole(QAction.MenuRole.PreferencesRole)
        action.triggered.connect(_when_possible(entry.id, dispatch, can))
        made[entry.id] = action
    return Actions(made, can)


def _when_possible(
    action_id: str, dispatch: Callable[[str], None], can: Callable[[str], bool]
) -> Callable[[], None]:
    def triggered() -> None:
        if can(action_id):
            dispatch(action_id)

    return triggered


def matches(event: QKeyEvent, key: str) -> bool:
    """Whether a key press is ``key``; "?" is the same wherever the layout keeps it."""
    if len(key) == 1 and not key.isalnum():
        return event.text() == key
    return QKeySequence(event.keyCombination()) == QKeySequence(key)
