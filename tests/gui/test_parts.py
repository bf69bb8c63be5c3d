"""The small parts that inspectors are made of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from memorynet_gui.widgets.parts import DETAIL_ROLE, DetailCombo
from tests.ui import settle

pytestmark = pytest.mark.dressed

TEXT, DETAIL = "Both contents", "learned and the photo's own"


@pytest.fixture
def combo(qapp: QApplication) -> Iterator[DetailCombo]:
    made = DetailCombo("Which contents", "Which contents are changed")
    made.add(TEXT, DETAIL, "both")
    made.add("Learned contents", "", "learned")
    made.resize(120, 28)
    made.show()
    yield made
    made.hidePopup()
    made.deleteLater()
    settle()


def test_an_open_list_is_as_wide_as_its_words(combo: DetailCombo) -> None:
    combo.showPopup()
    metrics = combo.fontMetrics()
    wanted = metrics.horizontalAdvance(TEXT) + metrics.horizontalAdvance(DETAIL)
    assert combo.width() < wanted < combo.view().width()


def test_a_second_word_that_does_not_fit_is_left_out_whole(combo: DetailCombo) -> None:
    narrow = combo.grab().toImage()
    combo.setItemData(0, "", DETAIL_ROLE)
    assert combo.grab().toImage() == narrow
    combo.resize(500, 28)
    without = combo.grab().toImage()
    combo.setItemData(0, DETAIL, DETAIL_ROLE)
    assert combo.grab().toImage() != without
