"""Photos and models that the Memory page can do little or nothing with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.model import checkpoint, exemplars
from core.model.config import NetworkConfig
from core.restoring.memory import look as memory_look
from tests.gui.memory.memory_kit import Desk
from tests.restore_page_kit import wait, write
from tests.small import photo, save_small_model


@pytest.mark.parametrize("size", [(5, 3), (8, 8), (1, 40)])
def test_photos_smaller_than_a_patch(desk: Desk, tmp_path: Path, size: tuple[int, int]) -> None:
    desk.open(write(tmp_path / "tiny.png", photo(*size, 1)))
    desk.page.pins.pin(size[0] - 1, size[1] - 1)
    desk.panel.edit.mute.click()
    desk.idle()
    assert desk.panel.edit.result.text()


def test_models_that_cannot_be_looked_into_say_why(desk: Desk, source: Path, tmp_path: Path) -> None:
    from core.model.network import MemoryNet

    plain = checkpoint.save(
        tmp_path / "plain",
        MemoryNet(NetworkConfig(width=4, blocks=(1, 1, 1), granularities=(), polarities=())),
        name="plain",
        task="derain",
        provenance={},
    )
    desk.settings.set_model("derain", str(plain))
    desk.page.open_paths([source])
    wait(lambda: not desk.panel.problem.isHidden())
    assert "no memory" in desk.panel.problem.why.text() + desk.panel.problem.what.text()
    desk.settings.set_model("derain", str(tmp_path / "nowhere"))
    desk.page.open_paths([source])
    wait(lambda: "nowhere" in desk.panel.problem.why.text() + desk.panel.problem.what.text())


def test_other_slots_no_samples_or_damaged_ones(desk: Desk, source: Path, tmp_path: Path) -> None:
    """A model with other slot counts, a granularity that is not read, no photo of its own and no samples."""
    from core.model.network import MemoryNet

    config = NetworkConfig(
        width=4,
        blocks=(1, 1, 2),
        memory_dim=8,
        slots=(5, 1, 2),
        granularities=("part", "semantic"),
        actual=False,
    )
    other = checkpoint.save(tmp_path / "other", MemoryNet(config), name="other", task="derain", provenance={})
    desk.settings.set_model("derain", str(other))
    desk.open(source)
    desk.click(40, 30)
    assert desk.panel.place.negative.isHidden() and desk.panel.place.no_samples.text()
    assert "keeps nothing of the photo" in desk.panel.place.read.text()
    names = [desk.panel.edit.target.itemText(row) for row in range(desk.panel.edit.target.count())]
    assert "All part slots" in names and "All instance slots" not in names
    (other / exemplars.SAMPLES_FILE).write_bytes(b"no samples at all")
    desk.open(source)
    desk.click(40, 30)
    assert desk.panel.place.negative.isHidden() and "samples" in desk.panel.place.no_samples.text()
    desk.idle()


def test_a_model_deleted_while_it_is_looked_at(desk: Desk, source: Path, tmp_path: Path) -> None:
    mine = save_small_model(tmp_path / "mine", seed=3)
    desk.settings.set_model("derain", str(mine))
    desk.open(source)
    shutil.rmtree(mine)
    desk.click(40, 30)  # what is recorded still answers
    assert desk.panel.place.title.full
    desk.panel.edit.mute.click()
    wait(lambda: "no model" in desk.panel.edit.result.text())  # the whole photo needs its file
    desk.idle()


def test_what_a_change_is_compared_with_cannot_be_made(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large photo the untouched one is made anew at the scale that is looked at: that it failed is said, too."""
    monkeypatch.setattr(memory_look, "scale_for", lambda *_words: 2)
    mine = save_small_model(tmp_path / "mine", seed=3)
    desk.settings.set_model("derain", str(mine))
    desk.open(write(tmp_path / "large.png", photo(320, 240, 5)))
    assert desk.page.stage.twin is None
    shutil.rmtree(mine)
    desk.panel.edit.mute.click()
    wait(lambda: "no model" in desk.panel.edit.result.text())
    desk.idle()
