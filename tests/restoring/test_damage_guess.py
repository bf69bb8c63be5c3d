"""A guess covers the places where damage is seen, and none where there is nothing to be seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.guidance import Guess
from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model import catalog, checkpoint
from core.model.network import MemoryNet
from core.restoring import damage_guess, restore
from core.restoring.records import RestoreError, RestoreRequest
from core.restoring.verdict import LITTLE, NOTHING
from tests.small import SMALL, photo, small_network

CELLS = 20, 30
EDGES = 157, 240  # the last row of cells reaches beyond the copy


def copy(levels: float = 0.0, columns: slice = np.s_[:0]) -> tuple[np.ndarray, np.ndarray]:
    """A grainy copy and what a network makes of it: darker by so many levels of 255 in these columns."""
    before = np.random.default_rng(4).normal(120, 6, (*EDGES, 3)).clip(0, 255)
    after = before.copy()
    after[:, columns] -= levels
    return (before * 257).astype(np.uint16), (after.clip(0, 255) * 257).astype(np.uint16)


def answers(columns: slice = np.s_[:0], there: float = 0.95, elsewhere: float = 0.1) -> np.ndarray:
    found = np.full(CELLS, elsewhere, np.float32)
    found[:, columns] = there
    return found


def overlap(found: Guess | None, where: np.ndarray) -> float:
    assert found is not None
    inside = found.mask > 127
    return float((inside & where).sum() / (inside | where).sum())


def left(height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.arange(width) < width / 2, (height, width))


@pytest.mark.parametrize("nothing_below", [0.3, None])
def test_what_answers_and_changes_is_found_at_the_photos_size(nothing_below: float | None) -> None:
    before, after = copy(12, np.s_[:120])
    found = damage_guess.guess(before, after, answers(np.s_[:15]), nothing_below, 720, 471)
    assert found is not None and found.mask.shape == (471, 720) and found.mask.dtype == np.uint8
    assert overlap(found, left(471, 720)) > 0.8
    assert found.share == pytest.approx(0.5, abs=0.12)
    assert found.mask[:, :240].min() > 200 and not found.mask[:, -120:].any()


def test_where_nothing_is_changed_or_nothing_answers_there_is_no_rain() -> None:
    before, after = copy(12, np.s_[:120])
    assert damage_guess.guess(before, after, answers(there=0.0, elsewhere=0.0), 0.3, 240, 157) is None
    assert damage_guess.guess(before, before, answers(np.s_[:15]), 0.3, 240, 157) is None
    faint = copy(1, np.s_[:120])  # about what the model calls nothing
    assert damage_guess.guess(*faint, answers(np.s_[:15]), 0.3, 240, 157) is None


def test_blur_goes_by_the_answer_alone_and_needs_one_that_says_damage() -> None:
    before, _after = copy()
    assert (
        overlap(damage_guess.guess(before, before, answers(np.s_[:15]), None, 240, 157), left(*EDGES)) > 0.8
    )
    assert damage_guess.guess(before, before, answers(np.s_[:15], there=0.4), None, 240, 157) is None


def test_damage_all_over_marks_all() -> None:
    before, after = copy(12, np.s_[:])
    found = damage_guess.guess(before, after, answers(np.s_[:]), 0.3, 240, 157)
    assert found is not None and found.share == 1.0


def test_around_a_shadow_its_half_shade_may_change_too() -> None:
    mask = np.zeros((300, 400), np.uint8)
    mask[100:200, 100:300] = 255
    wide = damage_guess.widened(Guess(mask, 0.5))
    assert (wide.mask >= mask).all() and wide.mask[97, 200] > 200 and wide.mask[80, 200] == 0
    assert wide.share > np.count_nonzero(mask) / mask.size


# --- with the weights that ship -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def partly() -> tuple[np.ndarray, np.ndarray]:
    """A sample with rain in its left half only, and without any."""
    sample = next(each for each in catalog.samples() if each.name == "Rain over the hill")
    assert sample.truth is not None
    wet, dry = (image_io.read(path).pixels for path in (sample.path, sample.truth))
    return np.where(left(*wet.shape[:2])[..., None], wet, dry), dry


def ask(pixels: np.ndarray, **more: object) -> RestoreRequest:
    return RestoreRequest(task="derain", model=catalog.default_model("derain"), guess_only=True, **more)  # type: ignore[arg-type]


def test_rain_in_one_half_is_guessed_there_and_the_other_stays_to_the_bit(
    partly: tuple[np.ndarray, np.ndarray],
) -> None:
    wet, _dry = partly
    picture = image_io.from_array(wet)
    found = restore.guess_only(picture, ask(wet), ignore, JobControl())
    assert overlap(found, left(*wet.shape[:2])) > 0.6
    assert found is not None
    done = restore.restore(picture, ask(wet), ignore, JobControl())
    assert done.only == "auto" and np.array_equal(done.limit, found.mask)
    assert np.array_equal(done.pixels[found.mask == 0], wet[found.mask == 0])
    assert not np.array_equal(done.pixels, wet) and any("of the photo" in note for note in done.notes)
    given = RestoreRequest(task="derain", model=ask(wet).model, only=found.mask)
    again = restore.restore(picture, given, ignore, JobControl())
    assert np.array_equal(again.pixels, done.pixels) and len(again.only) == 16


def test_a_clean_photo_has_no_such_place_and_comes_back_as_it_is(
    partly: tuple[np.ndarray, np.ndarray],
) -> None:
    picture = image_io.from_array(partly[1])
    done = restore.restore(picture, ask(partly[1]), ignore, JobControl())
    assert done.pixels is picture.pixels and done.limit is None and done.only == "auto"
    assert done.verdict.found == NOTHING and done.verdict.unchanged


def test_a_smear_that_all_of_the_photo_tells_is_all_over_it() -> None:
    sample = next(each for each in catalog.samples() if each.task == "deblur")
    request = RestoreRequest(task="deblur", model=catalog.default_model("deblur"), guess_only=True)
    found = restore.guess_only(image_io.read(sample.path), request, ignore, JobControl())
    assert found is not None and found.share == 1.0 and found.mask.min() == 255


def test_what_is_edited_or_taught_has_no_say_in_the_place(tmp_path: Path) -> None:
    told = {"verdict": {"nothing_below": 0.001, "much_from": 1.0}}
    model = checkpoint.save(tmp_path / "m", small_network(), name="m", task="derain", provenance=told)
    picture = image_io.from_array(photo(96, 80, 1))
    taught = np.full((80, 96), 0, np.uint8)
    plain, muted, denied = (
        restore.guess_only(picture, RestoreRequest(task="derain", model=model, **more), ignore, JobControl())  # type: ignore[arg-type]
        for more in ({}, {"mute_memory": True}, {"taught": taught})
    )
    for other in (muted, denied):
        assert (plain is None) == (other is None)
        assert plain is None or other is None or np.array_equal(plain.mask, other.mask)


def test_a_model_without_a_memory_cannot_say_where(tmp_path: Path) -> None:
    bare = MemoryNet(replace(SMALL, granularities=(), polarities=()))
    model = checkpoint.save(tmp_path / "bare", bare, name="bare", task="derain", provenance={})
    request = RestoreRequest(task="derain", model=model, guess_only=True)
    with pytest.raises(RestoreError, match="model bare has no memory that could say where damage is"):
        restore.restore(image_io.from_array(photo(64, 48, 1)), request, ignore, JobControl())


def test_the_smaller_part_that_may_change_is_restored_whatever_the_whole_photo_says(tmp_path: Path) -> None:
    told = {"verdict": {"nothing_below": 250.0, "much_from": 251.0}}
    model = checkpoint.save(tmp_path / "m", small_network(), name="m", task="derain", provenance=told)
    picture = image_io.from_array(photo(64, 48, 1))
    only = np.zeros((48, 64), np.uint8)
    only[:, :20] = 255
    request = RestoreRequest(task="derain", model=model, only=only)
    done = restore.restore(picture, request, ignore, JobControl())
    assert done.verdict.found == LITTLE and not np.array_equal(done.pixels[:, :20], picture.pixels[:, :20])
    verdict, shown = restore.preview(picture, request, JobControl())
    assert verdict.found == LITTLE and np.array_equal(shown, done.pixels)
    most = RestoreRequest(task="derain", model=model, only=255 - only)  # all but a strip: as the whole photo
    assert restore.restore(picture, most, ignore, JobControl()).verdict.unchanged
