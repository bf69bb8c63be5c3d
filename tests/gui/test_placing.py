"""The window, its title bar and its job bar are on the screen, however small that is."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QRect, QSize

from memorynet_gui.frame.main_window import MIN_SIZE
from memorynet_gui.frame.placing import FRAME_PX, first_size, kept_inside

SCREENS = [QSize(1024, 640), QSize(1280, 800), QSize(1440, 900), QSize(1920, 1080), QSize(3840, 2160)]


@pytest.mark.parametrize("screen", SCREENS, ids=lambda size: f"{size.width()}x{size.height()}")
@pytest.mark.parametrize("taken_px", [0, 24])
def test_the_first_window_leaves_room_for_its_frame(screen: QSize, taken_px: int) -> None:
    room = screen - QSize(0, taken_px)  # by a panel
    size = first_size(room, MIN_SIZE)
    assert (
        size.width() + FRAME_PX.width() <= room.width() and size.height() + FRAME_PX.height() <= room.height()
    )
    assert size.width() >= 0.8 * room.width() and size.height() >= 0.8 * room.height()


@pytest.mark.parametrize("screen", SCREENS, ids=lambda size: f"{size.width()}x{size.height()}")
@pytest.mark.parametrize(
    "client", [QRect(0, 0, 1440, 900), QRect(4000, -300, 1000, 600), QRect(60, 80, 1000, 560)]
)
def test_a_frame_is_brought_onto_the_screen(screen: QSize, client: QRect) -> None:
    frame = client.adjusted(-4, -37, 4, 4)
    room = QRect(0, 20, screen.width(), screen.height() - 20)
    place = kept_inside(client, frame, room, MIN_SIZE)
    assert room.contains(place.adjusted(-4, -37, 4, 4))
    assert kept_inside(place, place.adjusted(-4, -37, 4, 4), room, MIN_SIZE) == place
    if room.contains(frame):
        assert place == client
