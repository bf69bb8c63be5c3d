"""What goes with a canvas on every page that has one: the modes to choose from."""

from __future__ import annotations

from memorynet_gui.base.actions import ACTIONS
from memorynet_gui.compare.canvas import MODES
from memorynet_gui.widgets.segments import Segments


def mode_segments() -> Segments:
    """Wipe, side by side, difference, restored."""
    actions = [(mode, ACTIONS[f"mode_{mode}"]) for mode in MODES]
    return Segments([(mode, action.text, action.full_tooltip) for mode, action in actions])
