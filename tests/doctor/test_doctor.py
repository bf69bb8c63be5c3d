"""The dataset doctor finds what is wrong, names it, raises no false alarm over damage, and changes nothing."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cv import cv2
from core.data.degrade import DegradationError
from core.doctor.data import gather
from core.doctor.examination import STRIDE_PX, DoctorReport, Finding, examine, samples_for_preview
from core.doctor.look import EXAMPLE_PX, EXAMPLES
from core.doctor.pixels import Fingerprint, align, alike
from core.doctor.repeats import Known, find_repeats
from core.events import ItemDone, ItemStarted
from core.images import io as image_io
from core.jobs import Cancelled, JobControl, ignore
from core.model import catalog, network
from core.training.data import read_data
from core.training.recipe import TrainRecipe
from tests.small import photo

CLEAN = TrainRecipe(train=("DATA/clean",), validation=("DATA/val",), patch_px=32)
PAIRS = replace(CLEAN, kind="pairs", train=("DATA/set",), validation=("DATA/set",), hold_out=0.3)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.write(path, image_io.from_array(pixels), image_io.WriteOptions(overwrite=True))
    return path


def photos(root: Path, train: int = 12, validation: int = 2) -> Path:
    for folder, seeds in (("clean", range(train)), ("val", range(500, 500 + validation))):
        for seed in seeds:
            save(root / folder / f"{seed}.png", photo(72, 64, seed))
    return root


def pairs(root: Path, count: int = 12) -> Path:
    """Numbered pairs of a scene with rain over it."""
    for seed in range(count):
        truth = scene(seed)
        save(root / "set/target" / f"{seed}.png", truth)
        save(root / "set/input" / f"{seed}.png", rained(truth, seed))
    return root


def scene(seed: int, width: int = 160, height: int = 128) -> np.ndarray:
    """A part of a photo that ships: made-up patterns repeat, and what repeats has no place of its own."""
    names = catalog.sample_photos(False)
    picture = _decoded(names[seed % len(names)])
    rng = np.random.default_rng(seed)
    top, left = (
        int(rng.integers(0, n - m + 1)) for n, m in zip(picture.shape[:2], (height, width), strict=True)
    )
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


@functools.cache
def _decoded(path: Path) -> np.ndarray:
    pixels = image_io.read(path).pixels
    pixels.setflags(write=False)
    return pixels


def rained(picture: np.ndarray, seed: int = 0) -> np.ndarray:
    return samples_for_preview("derain", {}, [picture], seed, 1, max(picture.shape[:2]))[0][1]


def see(recipe: TrainRecipe, data: Path) -> DoctorReport:
    return examine(recipe, (data,), ignore, JobControl())


def of(report: DoctorReport, kind: str) -> Finding:
    found = [finding for finding in report.findings if finding.kind == kind]
    assert len(found) == 1, report.findings
    return found[0]


def kinds(report: DoctorReport) -> set[str]:
    return {finding.kind for finding in report.findings}


# --- nothing wrong -------------------------------------------------------------------------------


def test_good_photos_raise_no_alarm_and_are_shown_spoiled(tmp_path: Path) -> None:
    events: list[object] = []
    report = examine(CLEAN, (photos(tmp_path),), events.append, JobControl())
    assert report.findings == ()
    assert not report.has_errors
    assert (report.photos, report.pairs, report.validation_count, report.files) == (12, 0, 2, 14)
    assert report.layout == "photos"
    assert len(report.examples) == EXAMPLES
    for example in report.examples:
        assert example.is_made
        assert example.input.shape == example.target.shape
        assert max(example.input.shape) <= EXAMPLE_PX
        assert example.input.dtype == example.target.dtype == np.uint8
        assert not np.array_equal(example.input, example.target)
    assert [event.index for event in events if isinstance(event, ItemStarted)] == list(range(1, 15))
    done = [event for event in events if isinstance(event, ItemDone)]
    assert [(event.index, event.count, event.error) for event in done] == [
        (n, 14, None) for n in range(1, 15)
    ]


def test_rainy_pairs_lie_on_each_other(tmp_path: Path) -> None:
    data = pairs(tmp_path)
    report = see(PAIRS, data)
    assert kinds(report) <= {"few", "near_duplicate"}, report.findings
    assert report.layout == "input/target"
    assert not any(example.is_made for example in report.examples)
    _, examples, count = read_data(PAIRS, (data,))
    assert (report.pairs, report.validation_count) == (count, len(examples))  # what training would take


def test_the_photos_that_ship_are_sound() -> None:
    recipe = TrainRecipe.from_toml(catalog.recipe("quick-look"))
    report = examine(recipe, (), ignore, JobControl())
    assert report.findings == ()
    assert report.photos == len(catalog.sample_photos(False))


def test_only_names_are_needed_of_what_training_needs() -> None:
    assert STRIDE_PX == network.STRIDE_PX
    code = "import sys, core.doctor.examination, core.data.dataset\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=120)


# --- what can be wrong ---------------------------------------------------------------------------


def test_files_that_cannot_be_read_are_named_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    data = photos(tmp_path)
    cut = data / "clean/3.png"
    cut.write_bytes(cut.read_bytes()[:-400])
    (data / "clean/4.png").write_bytes(b"")
    (data / "clean/5.png").write_text("no picture")
    events: list[object] = []
    report = examine(CLEAN, (data,), events.append, JobControl())
    finding = of(report, "unreadable")
    assert finding.severity == "error"
    assert {path.name for path in finding.paths} == {"3.png", "4.png", "5.png"}
    assert "3 files cannot be read: 3.png (" in finding.text
    assert sum(isinstance(event, ItemDone) and event.error is not None for event in events) == 3
    assert len(report.examples) >= 8


def test_pairs_without_partner_or_of_two_sizes(tmp_path: Path) -> None:
    data = pairs(tmp_path)
    save(data / "set/input/lonely.png", photo(40, 40))
    save(data / "set/target/3.png", photo(100, 128))
    report = see(PAIRS, data)
    assert of(report, "unpaired").paths == (data / "set/input/lonely.png",)
    assert (
        "1 picture has no partner in input/target (12 pairs found): lonely.png" in of(report, "unpaired").text
    )
    size = of(report, "size")
    assert size.severity == "error"
    assert "3 (160x128 and 100x128 px)" in size.text
    assert set(size.paths) == {data / "set/input/3.png", data / "set/target/3.png"}


@pytest.mark.parametrize("shift_px", [(3, 0), (-2, 3), (0, 12)])
def test_shifted_rainy_pairs_are_found(tmp_path: Path, shift_px: tuple[int, int]) -> None:
    dx, dy = shift_px
    data = pairs(tmp_path, 6)
    moved = cv2.warpAffine(scene(2, 200, 168), np.array([[1, 0, dx], [0, 1, dy]], np.float32), (200, 168))[
        20:-20, 20:-20
    ]
    straight = scene(2, 200, 168)[20:-20, 20:-20]
    save(data / "set/target/2.png", straight)
    save(data / "set/input/2.png", rained(moved, 2))
    finding = of(see(PAIRS, data), "shifted")
    assert finding.severity == "warning"
    assert {path.name for path in finding.paths} == {"2.png"}
    found = align(rained(moved, 2), straight)
    assert found is not None
    assert found.shift_px == pytest.approx(np.hypot(dx, dy), abs=0.4)


def test_a_small_shift_of_large_pairs_is_found_at_full_size(tmp_path: Path) -> None:
    big = cv2.resize(scene(3, 320, 240), (1310, 990), interpolation=cv2.INTER_CUBIC)
    big = np.clip(big + np.random.default_rng(0).normal(0, 12, big.shape), 0, 255).astype(np.uint8)
    for number in range(2):
        save(tmp_path / "set/target" / f"{number}.png", big[10:970, 10:1290])
        save(
            tmp_path / "set/input" / f"{number}.png",
            rained(big[10:970, 10:1290] if number else big[12:972, 10:1290]),
        )
    finding = of(see(PAIRS, tmp_path), "shifted")
    assert {path.name for path in finding.paths} == {"0.png"}
    assert "0 (2.0 px)" in finding.text


@pytest.mark.parametrize(
    "sample", [each for each in catalog.samples() if each.truth][:4], ids=lambda sample: sample.path.stem
)
def test_rain_over_the_samples_is_no_shift_and_a_shift_is_one(sample: catalog.Sample) -> None:
    assert sample.truth is not None
    rainy, clean = (image_io.thumbnail(path, 256) for path in (sample.path, sample.truth))
    straight, moved = align(rainy, clean), align(rainy[:, 3:], clean[:, :-3])
    assert straight is not None
    assert moved is not None
    assert not straight.is_shifted
    assert not straight.is_strange
    assert moved.is_shifted
    assert abs(moved.dx_px) == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("task", ["derain", "deshadow"])
def test_heavy_damage_is_no_misalignment(task: str) -> None:
    pictures = [image_io.thumbnail(path, 256) for path in catalog.sample_photos(False)]
    wrong = []
    for seed in range(2):
        for clean, degraded in samples_for_preview(task, {}, pictures, seed, len(pictures), 256):
            found = align(degraded, clean)
            if found is not None and (found.is_shifted or found.is_strange):
                wrong.append((seed, found))
    assert len(wrong) <= 1, wrong


def test_blur_is_no_misalignment() -> None:
    kernel = np.zeros((15, 15), np.float32)
    kernel[7] = 1 / 15
    for path in catalog.sample_photos(False):
        clean = image_io.thumbnail(path, 256)
        found = align(cv2.filter2D(clean, -1, kernel), clean)
        assert found is None or not found.is_shifted, path


def test_wrong_partners_are_found(tmp_path: Path) -> None:
    data = pairs(tmp_path, 8)
    one, other = data / "set/target/5.png", data / "set/target/6.png"
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    finding = of(see(PAIRS, data), "different")
    assert {path.name for path in finding.paths} == {"5.png", "6.png"}


def test_pairs_of_another_task_are_not_passed(tmp_path: Path) -> None:
    """Shadows by what they do to the light, whatever their folder is called; others by the name of their folder."""
    for seed in range(6):
        truth = scene(seed)
        dark = truth.copy()
        dark[40:90, 30:110] = dark[40:90, 30:110] * 0.45
        save(tmp_path / "set/target" / f"{seed}.png", truth)
        save(tmp_path / "set/input" / f"{seed}.png", dark)
    finding = of(see(PAIRS, tmp_path), "task")
    assert finding.severity == "warning" and "remove rain" in finding.text and "6 of 6" in finding.text
    assert "task" not in kinds(see(replace(PAIRS, task="deshadow"), tmp_path))
    rainy = pairs(tmp_path / "wet")
    assert "task" not in kinds(see(PAIRS, rainy))
    (rainy / "set/input").rename(rainy / "set/rain")
    (rainy / "set/target").rename(rainy / "set/norain")
    assert "pairs of rain" in of(see(replace(PAIRS, task="deshadow"), rainy), "task").text
    assert "task" not in kinds(see(PAIRS, rainy))


def test_pairs_that_are_the_same_on_both_sides(tmp_path: Path) -> None:
    data = pairs(tmp_path, 10)
    (data / "set/input/4.png").write_bytes((data / "set/target/4.png").read_bytes())
    assert of(see(PAIRS, data), "same").severity == "note"
    for number in range(10):
        (data / f"set/input/{number}.png").write_bytes((data / f"set/target/{number}.png").read_bytes())
    assert of(see(PAIRS, data), "same").severity == "warning"


def test_repeats_and_overlap(tmp_path: Path) -> None:
    data = photos(tmp_path)
    for number in range(20, 32):  # real photos: patterns made by a formula resemble each other
        save(data / "clean" / f"{number}.png", scene(number))
    (data / "clean/copy.png").write_bytes((data / "clean/20.png").read_bytes())
    (data / "val/leak.png").write_bytes((data / "clean/21.png").read_bytes())
    smaller = cv2.resize(scene(22), (120, 96), interpolation=cv2.INTER_AREA)
    Image.fromarray(smaller).save(data / "val/near.jpg", quality=80)
    report = see(CLEAN, data)
    copy = of(report, "duplicate")
    assert copy.severity == "warning"
    assert {path.name for path in copy.paths} == {"copy.png", "20.png"}
    exact, near = (finding for finding in report.findings if finding.kind == "overlap")
    assert (exact.severity, [path.name for path in exact.paths]) == ("error", ["leak.png", "21.png"])
    assert (near.severity, [path.name for path in near.paths]) == ("warning", ["near.jpg", "22.png"])
    same = see(replace(CLEAN, validation=("DATA/clean",)), data)
    assert any(finding.kind == "overlap" and finding.severity == "error" for finding in same.findings)


def test_near_repeats_are_found_in_any_order_and_number() -> None:
    prints = [Fingerprint.of(scene(number)) for number in range(40)]
    prints[33] = Fingerprint.of(cv2.resize(scene(5), (110, 88), interpolation=cv2.INTER_AREA))
    others = np.random.default_rng(0).integers(0, 2**64, 3000, np.uint64)
    many = [*prints, *[Fingerprint(bits, np.zeros((24, 24, 3), np.uint8)) for bits in others]]
    found = [pair for pair in alike(many, JobControl()) if max(pair) < 40]
    assert (5, 33) in found
    assert len(found) <= 3


def test_a_film_of_one_scene_is_not_held_against_itself_frame_by_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = []
    real = Fingerprint.is_like

    def spy(one: Fingerprint, other: Fingerprint) -> bool:
        compared.append(1)
        return real(one, other)

    monkeypatch.setattr(Fingerprint, "is_like", spy)
    frame, leak = Fingerprint.of(scene(6)), Fingerprint.of(scene(7))
    film = [Known(Path(f"{n}.png"), False, True, n, frame) for n in range(600)]
    known = [
        *film,
        Known(Path("x.png"), True, True, 9000, frame),
        Known(Path("y.png"), True, True, 9001, leak),
    ]
    near, overlap = sorted(find_repeats(known, JobControl()), key=lambda finding: finding.kind)
    assert (near.kind, len(near.paths)) == ("near_duplicate", 600)
    assert (overlap.kind, [path.name for path in overlap.paths][:1]) == ("overlap", ["x.png"])
    assert len(compared) < 2000  # not 180,000


def test_sizes_and_kinds(tmp_path: Path) -> None:
    data = photos(tmp_path)
    save(data / "clean/small.png", photo(30, 60, 90))
    save(data / "clean/deep.png", photo(64, 64, 91, np.uint16))
    save(data / "clean/see-through.png", np.dstack([photo(64, 64, 92), np.full((64, 64), 99, np.uint8)]))
    save(data / "clean/grey.png", photo(64, 64, 93)[..., :1])
    save(data / "val/tiny.png", photo(15, 60, 94))
    report = see(CLEAN, data)
    small, tiny = sorted(
        (f for f in report.findings if f.kind == "small"), key=lambda f: f.severity, reverse=True
    )
    assert (small.severity, [path.name for path in small.paths]) == ("warning", ["small.png"])
    assert "32 px" in small.text
    assert (tiny.severity, [path.name for path in tiny.paths]) == ("error", ["tiny.png"])
    with pytest.raises(ValueError, match="too few to validate on"):
        read_data(CLEAN, (data,))
    for kind, name in (("depth", "deep.png"), ("alpha", "see-through.png"), ("grey", "grey.png")):
        finding = of(report, kind)
        assert (finding.severity, [path.name for path in finding.paths]) == ("note", [name])
    assert [finding.severity for finding in report.findings] == ["error", "warning", "note", "note", "note"]


def test_masks_of_the_set_are_checked_where_they_are_used(tmp_path: Path) -> None:
    data = pairs(tmp_path)
    for number in range(11):
        save(data / f"set/mask/{number}.png", np.zeros((128, 160, 1), np.uint8))
    save(data / "set/mask/0.png", np.zeros((64, 64, 1), np.uint8))
    save(data / "set/mask/1.png", scene(0))
    report = see(replace(PAIRS, task="deshadow"), data)
    error, note = (finding for finding in report.findings if finding.kind == "masks")
    assert (error.severity, {path.name for path in error.paths}) == ("error", {"0.png", "1.png"})
    assert "64x64 px for 160x128 px" in error.text
    assert (note.severity, [path.name for path in note.paths]) == ("note", ["11.png"])
    assert not any(f.kind == "masks" and f.severity == "error" for f in see(PAIRS, data).findings)


def test_folders_and_settings(tmp_path: Path) -> None:
    data = photos(tmp_path, 1, 1)
    (data / "empty").mkdir()
    assert "Only 1 photo to train on" in of(see(CLEAN, data), "few").text
    assert of(see(replace(CLEAN, train=("DATA/empty",)), data), "empty").severity == "error"
    assert "DATA/none: no such folder" in of(see(replace(CLEAN, train=("DATA/none",)), data), "folder").text
    assert (
        "expected two folders" in of(see(replace(PAIRS, train=("DATA/clean",)), pairs(data)), "layout").text
    )
    assert "no pairs" in of(see(replace(PAIRS, train=("SAMPLES/train",)), data), "layout").text
    wrong = replace(CLEAN, degradation={"drizzle": 3})
    assert "drizzle" in of(see(wrong, data), "degradation").text
    for start in ("nowhere/model", str(data)):  # nothing there; a folder, but of photos
        assert of(see(replace(CLEAN, start_from=start), data), "start_from").severity == "error"
    (data / "walk.json").write_text('{"homographies": [[1]]}')
    for motion in ("DATA/none.json", "DATA/walk.json"):
        moved = of(see(replace(CLEAN, task="deblur", motion=motion), data), "motion")
        assert moved.severity == "error" and motion.rpartition("/")[2] in moved.text
    other = of(see(replace(CLEAN, task="deshadow", start_from="derain-s"), data), "start_from")
    assert (other.severity, "learned to remove rain" in other.text) == ("note", True)
    one = replace(PAIRS, train=("DATA/one",), validation=("DATA/one",))
    save(data / "one/input/1.png", scene(1))
    save(data / "one/target/1.png", scene(1))
    assert of(see(one, data), "scenes").severity == "error"
    nested = see(replace(CLEAN, train=("DATA/set",)), data)
    assert "there are some in input, target" in of(nested, "empty").text


def test_mixed_data_counts_both(tmp_path: Path) -> None:
    data = pairs(photos(tmp_path))
    recipe = replace(PAIRS, kind="mixed", train=("DATA/clean",), pairs=("DATA/set",))
    report = see(recipe, data)
    _, examples, count = read_data(recipe, (data,))
    assert report.photos == 12
    assert report.pairs + report.photos == count
    assert report.validation_count == len(examples)
    assert report.layout == "input/target and photos"
    assert {example.is_made for example in report.examples} == {False, True}
    assert len(gather(recipe, (data,)).units) == count + len(examples)


# --- manners -------------------------------------------------------------------------------------


def test_nothing_is_changed(tmp_path: Path) -> None:
    data = pairs(photos(tmp_path))
    (data / "clean/4.png").write_bytes(b"")

    def state() -> dict[str, tuple[str, int]]:
        return {
            path.as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in tmp_path.rglob("*")
            if path.is_file()
        }

    before = state()
    see(CLEAN, data)
    see(PAIRS, data)
    assert state() == before


def test_it_stops_at_once(tmp_path: Path) -> None:
    data = photos(tmp_path, 40)
    control = JobControl()
    seen: list[object] = []

    def emit(event: object) -> None:
        seen.append(event)
        if isinstance(event, ItemDone) and event.index == 3:
            control.cancel()

    with pytest.raises(Cancelled):
        examine(CLEAN, (data,), emit, control)
    assert max(event.index for event in seen if isinstance(event, ItemDone)) == 3


def test_a_slow_file_does_not_hold_up_a_cancel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = photos(tmp_path)
    control = JobControl()
    go, read = threading.Event(), threading.Event()

    def slow(path: Path, max_px: int) -> np.ndarray:
        control.cancel()
        go.wait(30)
        read.set()
        raise OSError("nobody waits for it")

    monkeypatch.setattr(image_io, "thumbnail", slow)
    try:
        with pytest.raises(Cancelled):
            examine(CLEAN, (data,), ignore, control)
        assert not read.is_set()
    finally:
        go.set()


# --- live preview --------------------------------------------------------------------------------


def test_preview_follows_its_seed_and_its_parameters(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{n}.png", scene(n, 300, 200)) for n in range(2)]
    one = samples_for_preview("derain", {}, paths, 7, 5, 96)
    again = samples_for_preview("derain", {}, paths, 7, 5, 96)
    other = samples_for_preview("derain", {}, paths, 8, 5, 96)
    assert len(one) == 5
    for (clean, degraded), (clean2, degraded2) in zip(one, again, strict=True):
        assert clean.shape == degraded.shape == (96, 96, 3)
        assert clean.dtype == degraded.dtype == np.uint8
        assert np.array_equal(clean, clean2)
        assert np.array_equal(degraded, degraded2)
    assert sum(np.array_equal(clean, degraded) for clean, degraded in one) <= 2  # rain may fall beside a crop
    assert not all(np.array_equal(a[0], b[0]) for a, b in zip(one, other, strict=True))
    faint = samples_for_preview("derain", {"strength": [0.01, 0.02], "mist": 0.0}, paths, 7, 5, 96)
    for (clean, degraded), (clean2, degraded2) in zip(one, faint, strict=True):
        assert np.array_equal(clean, clean2)  # the crop stays while a slider moves
        assert np.abs(degraded2.astype(int) - clean2).mean() <= np.abs(degraded.astype(int) - clean).mean()


def test_preview_of_small_photos_none_and_nonsense(tmp_path: Path) -> None:
    ((clean, degraded),) = samples_for_preview("deshadow", {}, [photo(40, 30)], 0, 1, 96)
    assert clean.shape == degraded.shape == (30, 40, 3)
    assert samples_for_preview("derain", {}, [], 0, 4, 96) == []
    with pytest.raises(DegradationError, match="drizzle"):
        samples_for_preview("derain", {"drizzle": 1}, [photo(40, 30)], 0, 1, 96)
    with pytest.raises(DegradationError, match="deblurr"):
        samples_for_preview("deblurr", {}, [photo(40, 30)], 0, 1, 96)
    with pytest.raises(ValueError, match="edge_px 8"):
        samples_for_preview("derain", {}, [photo(40, 30)], 0, 1, 8)


def test_preview_reads_a_photo_again_when_it_changed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", scene(1))
    before = samples_for_preview("derain", {}, [path], 1, 1, 64)[0][0]
    path.unlink()
    save(path, scene(2))
    assert not np.array_equal(samples_for_preview("derain", {}, [path], 1, 1, 64)[0][0], before)
