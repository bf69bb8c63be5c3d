"""The film of a run: a few validation crops at each validation, beside input and truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.events import FilmFrame
from core.images import io as image_io
from core.images import metrics
from core.jobs import Cancelled, JobControl, ignore
from core.restoring.restore import RestoreRequest, restore
from core.training.data import Example
from core.training.film import Film, crop
from core.training.trainer import train
from tests.small import photo
from tests.training_kit import RECIPE, at_step, make_data

TINY = replace(RECIPE, width=4, steps=8, patch_px=16, validate_every=4, validate_crop_px=32, log_every=1)


def examples(count: int) -> list[Example]:
    return [
        Example(f"{n}.png", photo(40 + 8 * n, 300, 100 + n), photo(40 + 8 * n, 300, n)) for n in range(count)
    ]


def now(action: object) -> None:
    action()  # type: ignore[operator]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_few_photos_are_chosen_evenly_and_for_good(tmp_path: Path) -> None:
    assert Film(tmp_path, examples(1)).chosen == {0: 0}
    assert Film(tmp_path, examples(3)).chosen == {0: 0, 1: 1, 2: 2}
    assert Film(tmp_path, examples(10)).chosen == {0: 0, 3: 1, 6: 2, 9: 3}


def test_crops_are_centred_and_no_larger_than_they_need_to_be() -> None:
    large = photo(400, 300)
    assert crop(large).shape == (256, 256, 3)
    assert np.array_equal(crop(large)[0, 0], large[22, 72])
    small = photo(40, 30)
    assert np.array_equal(crop(small), small)


def test_frames_are_kept_and_later_ones_trimmed(tmp_path: Path) -> None:
    taken = examples(6)
    film = Film(tmp_path / "film", taken)
    film.begin(now)
    for step in (4, 8, 100_000_000):  # more digits than the name has room for
        for index, example in enumerate(taken):
            film.watch(index, example.truth)
        film.keep(step, now)
    sides = [f"{side}-{n}.webp" for side in ("input", "truth") for n in range(4)]
    assert set(sides) <= set(names(film.folder))
    assert len(names(film.folder)) == 8 + 3 * 4
    frame, truth = (
        image_io.read(film.folder / name).pixels for name in ("step-00000008-3.webp", "truth-3.webp")
    )
    assert np.array_equal(frame, truth)
    assert metrics.psnr_db(truth, crop(taken[5].truth), "RGB") > 30
    before = (film.folder / "truth-0.webp").stat().st_mtime_ns
    film.trim(4)
    film.begin(now)
    assert (film.folder / "truth-0.webp").stat().st_mtime_ns == before, "what is there is not written again"
    assert names(film.folder) == sorted([*sides, *(f"step-00000004-{n}.webp" for n in range(4))])


def test_a_run_films_its_averaged_weights_and_a_later_sitting_goes_on(tmp_path: Path) -> None:
    data, run, control = make_data(tmp_path / "data"), tmp_path / "run", JobControl()
    frames: list[FilmFrame] = []

    def emit(event: object) -> None:
        if isinstance(event, FilmFrame):
            frames.append(event)
        at_step(6, control.cancel)(event)

    with pytest.raises(Cancelled):
        train(TINY, (data,), run, emit, control)
    assert frames == [FilmFrame(4, str(run / "film"))]
    stray = run / "film" / "step-00000008-0.webp"  # of a checkpoint that was lost
    stray.write_bytes(b"old")
    result = train(TINY, (), run, ignore, JobControl(), resume=True)
    expected = {
        f"{side}-{n}.webp" for side in ("input", "truth", "step-00000004", "step-00000008") for n in (0, 1)
    }
    assert set(names(run / "film")) == expected
    assert stray.read_bytes() != b"old"
    given = image_io.read(run / "film" / "input-0.webp")
    shown = image_io.read(run / "film" / f"step-{result.best_step:08d}-0.webp").pixels
    again = restore(given, RestoreRequest(model=result.model, device="cpu"), ignore, JobControl()).pixels
    assert metrics.psnr_db(shown, again, "RGB") > 28  # both have been through a lossy file
