"""A model that learned from photos whose smear was undone first is shown photos like that, wherever it restores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cv import cv2
from core.images import io as image_io
from core.images import metrics
from core.jobs import Cancelled, JobControl, ignore
from core.model import catalog, checkpoint
from core.restoring import copies, scaled, smear
from core.restoring.memory.inspection import inspect
from core.restoring.memory.look import in_copy, look
from core.restoring.memory.probe import Probe
from core.restoring.passes import shown
from core.restoring.records import Choice, Restored, RestoreRequest, command_words
from core.restoring.restore import restore
from core.restoring.verdict import LITTLE, MUCH, NOTHING, Thresholds
from tests.restoring.test_smear import smeared
from tests.small import small_network

LENGTH_PX, ANGLE_DEG = 8, 60


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same network, one shown photos as they are, one with their smear undone."""
    folder = tmp_path_factory.mktemp("unsmearing")
    plain, undoing = (
        checkpoint.save(folder / name, small_network(1), name=name, task="deblur", provenance=provenance)
        for name, provenance in (("plain", {}), ("undoing", {checkpoint.UNSMEARS: True}))
    )
    return plain, undoing


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    path = next(path for path in catalog.sample_photos(validation=False) if path.stem == "gravel")
    return metrics.to_8bit(image_io.read(path).pixels)


@pytest.fixture(scope="module")
def blurred(photo: np.ndarray) -> np.ndarray:
    return smeared(photo[:264, :320], LENGTH_PX, ANGLE_DEG)


def undone(pixels: np.ndarray) -> np.ndarray:
    found = smear.sharper(pixels, lambda: None)
    assert found is not pixels
    return found


def request(model: Path, **asked: Any) -> RestoreRequest:
    facts = {"scale": "1", **asked}
    return RestoreRequest(task="deblur", model=model, device="cpu", precision="fp32", **facts)


def run(pixels: np.ndarray, model: Path, **asked: Any) -> Restored:
    return restore(image_io.from_array(pixels), request(model, **asked), ignore, JobControl())


def test_it_restores_what_undoing_leaves(models: tuple[Path, Path], blurred: np.ndarray) -> None:
    plain, undoing = models
    assert np.array_equal(run(blurred, undoing).pixels, run(undone(blurred), plain).pixels)
    assert not np.array_equal(run(blurred, undoing).pixels, run(blurred, plain).pixels)


def test_a_sharp_photo_is_shown_as_it_is(models: tuple[Path, Path], photo: np.ndarray) -> None:
    plain, undoing = models
    assert smear.sharper(photo, lambda: None) is photo
    assert np.array_equal(run(photo, undoing).pixels, run(photo, plain).pixels)


def test_what_would_change_a_photo_too_much_is_no_smear(
    blurred: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert smear.sharper(blurred, lambda: None) is not blurred
    monkeypatch.setattr(smear, "MOST_CHANGE", 1.0)
    assert smear.sharper(blurred, lambda: None) is blurred


def test_what_is_not_smeared_like_the_rest_stays(photo: np.ndarray) -> None:
    pixels = smeared(photo, LENGTH_PX, ANGLE_DEG)
    part = 144
    pixels[:part, :part] = photo[:part, :part]  # a thing that moved with the camera
    found = smear.sharper(pixels, lambda: None)
    assert found is not pixels
    changed = np.abs(found.astype(int) - pixels).mean(2)
    assert changed[:64, :64].mean() < 0.3 * changed[200:, 200:].mean()
    seen = smear.find(photo)
    assert seen is not None and smear.where(photo, seen) is None


def test_a_copy_is_undone_of_what_the_photo_tells(models: tuple[Path, Path], photo: np.ndarray) -> None:
    plain, undoing = models
    pixels = smeared(photo, 2 * LENGTH_PX, ANGLE_DEG)
    before, seen = copies.reduced(pixels, 2), smear.find(pixels)
    assert seen is not None
    after = run(smear.sharper(before, lambda: None, seen.reduced(2)), plain).pixels
    expected = copies.Correction(before, after, 2, "plain").put_all(pixels)
    assert np.array_equal(run(pixels, undoing, scale="1/2").pixels, expected)


def test_tiles_equal_the_whole_and_blocks_leave_no_seams(
    models: tuple[Path, Path], blurred: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(blurred, models[1]).pixels.astype(int)
    assert np.abs(run(blurred, models[1], tile_px=128).pixels.astype(int) - whole).max() <= 1
    one = undone(blurred).astype(int)
    monkeypatch.setattr(smear, "_TILE_PX", (104, 104))
    differing = np.abs(undone(blurred).astype(int) - one)
    assert differing.mean() < 0.3 and differing.max() <= 6


def test_sixteen_bits_are_kept(models: tuple[Path, Path], blurred: np.ndarray) -> None:
    deep = blurred.astype(np.uint16) * 257
    found = run(deep, models[1]).pixels
    assert found.dtype == np.uint16
    assert np.abs(found / 257 - run(blurred, models[1]).pixels).max() <= 2


def test_what_is_said_is_seen_in_the_photo_as_it_is(models: tuple[Path, Path], blurred: np.ndarray) -> None:
    picture = image_io.from_array(blurred)
    other, seen = (look(picture, request(model)) for model in models)
    assert np.array_equal(seen.before.values, other.before.values)
    shown = look(image_io.from_array(undone(blurred)), request(models[0]))
    assert np.array_equal(seen.query, shown.query)
    assert np.array_equal(seen.actual, shown.actual)
    assert seen.undone and not other.undone and seen.as_dict()["smear_undone"]
    one, two = (inspect(picture, request(model), ignore, JobControl()) for model in models)
    assert np.array_equal(one.before.values, two.before.values)
    assert not np.array_equal(one.usage, two.usage)
    assert [any("smear undone" in note for note in each.notes) for each in (one, two)] == [False, True]


def test_the_memory_page_tries_on_what_is_restored(models: tuple[Path, Path], blurred: np.ndarray) -> None:
    undoing = models[1]
    picture = image_io.from_array(blurred)
    probe = Probe(picture, request(undoing), look(picture, request(undoing)).actual)
    found = probe.restore((64, 64, 128, 96))
    whole = run(blurred, undoing).pixels[64:160, 64:192]
    assert np.abs(found.astype(int) - whole.astype(int)).max() <= 1


def test_it_stops_between_blocks(blurred: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smear, "_TILE_PX", (104, 104))
    seen, control, calls = smear.find(blurred), JobControl(), []
    assert seen is not None

    def between() -> None:
        calls.append(1)
        if len(calls) == 2:
            control.cancel()
        control.checkpoint()

    with pytest.raises(Cancelled):
        smear.undone(blurred, seen, between)
    assert len(calls) == 2


def test_a_smear_may_be_left_to_the_network_and_it_is_told_which(
    models: tuple[Path, Path], blurred: np.ndarray
) -> None:
    plain, undoing = models
    kept, undone = run(blurred, undoing, undo=False), run(blurred, undoing)
    assert np.array_equal(kept.pixels, run(blurred, plain).pixels)
    calibrated = Thresholds(0.0, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Thresholds, "of", lambda _provenance: calibrated)
        found = [run(blurred, undoing, undo=undo) for undo in (True, False)]
    assert [each.verdict.undone for each in found] == [True, False]
    assert found[0].record()["smear"].endswith(", undone")
    assert not found[1].record()["smear"].endswith(", undone")
    assert "--keep-smear" in command_words(Choice("deblur", "any", undo=False), kept.made)
    assert "--keep-smear" not in command_words(Choice("deblur", "any"), undone.made)


def test_a_smear_in_a_copy_is_as_much_shorter_everywhere(photo: np.ndarray) -> None:
    seen = smear.find(smeared(photo, 2 * LENGTH_PX, ANGLE_DEG))
    assert seen is not None
    half = seen.reduced(2)
    assert half.length_px == seen.length_px / 2 and half.evidence == seen.evidence
    for x, y in ((0.0, 0.0), (-1.0, 0.6), (0.3, -0.7)):
        (length, angle), (shorter, same) = seen.line(x, y), half.line(x, y)
        assert shorter == pytest.approx(length / 2) and same == pytest.approx(angle)


@pytest.mark.parametrize(("levels", "word"), [(1e6, LITTLE), (1e-6, MUCH)])
def test_a_smear_counts_by_what_undoing_it_changes(
    models: tuple[Path, Path], blurred: np.ndarray, levels: float, word: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Thresholds, "of", lambda _provenance: Thresholds(1e4, 2e4))  # this network sees nothing
        patch.setattr(scaled, "MUCH_UNDONE", levels)
        assert run(blurred, models[1]).verdict.found == word
        assert run(blurred, models[1], undo=False).verdict.found == NOTHING


def test_by_night_no_black_ring_comes_around_a_lamp(photo: np.ndarray) -> None:
    night = photo // 4
    cv2.circle(night, (200, 190), 14, (255, 255, 255), -1)
    blurred = smeared(night, 12, 60)
    found = smear.sharper(blurred, lambda: None)
    assert found is not blurred
    ring = np.zeros(night.shape[:2], np.uint8)
    cv2.circle(ring, (200, 190), 26, 1, -1)
    beside = ring.astype(bool) & (blurred.max(2) < 240)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smear, "_DARK", 0.0)
        rings = smear.sharper(blurred, lambda: None)
    darker = [float(np.maximum(blurred.astype(int) - each, 0)[beside].mean()) for each in (found, rings)]
    assert darker[0] < 0.5 * darker[1]


def test_the_memory_page_undoes_in_a_copy_what_the_photo_itself_tells(
    models: tuple[Path, Path], photo: np.ndarray
) -> None:
    for pixels, is_undone in ((smeared(photo, 2 * LENGTH_PX, ANGLE_DEG), True), (photo, False)):
        small, asked = in_copy(image_io.from_array(pixels), request(models[1], scale="1/2"), 2)
        assert small.pixels.shape[0] == photo.shape[0] // 2 and asked.undo is is_undone
        shown_there = shown(small.pixels, checkpoint.load(models[1]), asked, lambda: None)
        seen = smear.find(pixels)
        assert seen is not None
        restored_there = smear.sharper(copies.reduced(pixels, 2), lambda: None, seen.reduced(2))
        assert np.array_equal(shown_there, restored_there if is_undone else small.pixels)
