"""Event files for TensorBoard: what is in them, what going on and going back does, and that they stop nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import extras
from core.cli import program as cli
from core.events import CheckpointSaved, FilmFrame, Notice, StepDone, TrainStarted, Validated
from core.images import io as image_io
from core.training.tensorboard_log import FOLDER, TensorBoardLog
from tests.small import photo

pytestmark = pytest.mark.skipif(bool(extras.missing("tensorboard")), reason="needs the extra tensorboard")


def started(step: int) -> TrainStarted:
    return TrainStarted(step, 100, 1000, 5, "cpu", "fp32", None)


def step(number: int, loss: float, **more: Any) -> StepDone:
    terms = {"pixel": loss / 2, "distance_positive": 0.25}
    return StepDone(number, loss, terms, 1e-3, 0.5, 20.0, 0.01, 60.0, 512.0, **more)


def validated(number: int, psnr_db: float) -> Validated:
    memory = {"memory_entropy": 0.75, "memory_dead": 2}
    return Validated(number, psnr_db, 0.9, 25.0, "Y", True, 1.0, memory=memory)


def read(run_folder: Path) -> Any:
    """What TensorBoard itself makes of the files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(run_folder / FOLDER), size_guidance={"images": 0}).Reload()


def scalars(run_folder: Path, name: str) -> list[tuple[int, float]]:
    return [(entry.step, pytest.approx(entry.value)) for entry in read(run_folder).Scalars(name)]


def test_events_become_curves_and_pictures(tmp_path: Path) -> None:
    film = tmp_path / "film"
    crop = photo(32, 24)
    for name in ("input-0", "truth-0", "step-00000020-0", "step-00000020-1", "step-00000010-0"):
        image_io.write(film / f"{name}.webp", image_io.from_array(crop), image_io.WriteOptions(quality=100))
    (film / "step-00000020-2.webp").write_bytes(b"RIFF")  # damaged: passed over
    log = TensorBoardLog(tmp_path)
    assert not (tmp_path / FOLDER).exists()
    for event in (
        started(0), step(10, 0.5), step(20, 0.4, device_mb=100.0), validated(20, 30.5), FilmFrame(20, str(film)),
        CheckpointSaved(20, "x", True), Notice("nothing for TensorBoard"), step(30, float("nan")),
    ):  # fmt: skip
        log.tell(event)
    log.close()
    log.close()
    assert scalars(tmp_path, "loss/total")[:2] == [(10, 0.5), (20, 0.4)]
    assert scalars(tmp_path, "loss/pixel")[:2] == [(10, 0.25), (20, 0.2)]
    assert scalars(tmp_path, "contrast/distance_positive")[0] == (10, 0.25)
    assert scalars(tmp_path, "training/learning_rate")[0] == (10, 1e-3)
    assert scalars(tmp_path, "machine/device_mb") == [(20, 100.0)]
    assert scalars(tmp_path, "validation/psnr_db") == [(20, 30.5)]
    assert scalars(tmp_path, "memory/dead") == [(20, 2.0)]
    found = read(tmp_path)
    assert "validation/psnr_guided_db" not in found.Tags()["scalars"]
    assert sorted(found.Tags()["images"]) == [
        "film-0/input",
        "film-0/restored",
        "film-0/truth",
        "film-1/restored",
    ]
    (picture,) = found.Images("film-0/restored")
    assert (picture.step, picture.width, picture.height) == (20, 32, 24)
    import io

    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(picture.encoded_image_string)))
    assert np.abs(pixels.astype(int) - crop).mean() < 8  # WebP rounds


def test_a_run_that_goes_on_shows_each_step_once(tmp_path: Path) -> None:
    first = TensorBoardLog(tmp_path)
    for event in (started(0), *(step(number, 1.0) for number in range(1, 9))):
        first.tell(event)
    first.close()
    second = TensorBoardLog(tmp_path)  # killed after step 8, the checkpoint was of step 5
    for event in (started(5), *(step(number, 2.0) for number in range(6, 11))):
        second.tell(event)
    second.close()
    expected = [(number, 1.0 if number <= 5 else 2.0) for number in range(1, 11)]
    assert scalars(tmp_path, "loss/total") == expected


def test_a_run_that_goes_back_forgets_what_was_beyond(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    for event in (
        started(0),
        *(step(number, 1.0) for number in range(1, 7)),
        *(step(number, 2.0) for number in (4, 5)),
    ):
        log.tell(event)
    log.close()
    assert scalars(tmp_path, "loss/total") == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0)]


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils.tensorboard import SummaryWriter

    told: list[object] = []
    log = TensorBoardLog(tmp_path, told.append)
    log.tell(started(0))
    log.tell(step(1, 1.0))
    with monkeypatch.context() as broken:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        broken.setattr(SummaryWriter, "add_scalar", full)
        for number in (2, 3, 4):
            log.tell(step(number, 1.0))
        log.tell(validated(4, 30.0))
    log.tell(step(5, 1.0))  # rests until the next validation
    log.tell(validated(6, 31.0))
    log.tell(step(7, 1.0))
    log.close()
    assert [type(event) for event in told] == [Notice]
    assert "No space left" in told[0].text  # type: ignore[attr-defined]
    assert [number for number, _ in scalars(tmp_path, "loss/total")] == [1, 7]
    assert scalars(tmp_path, "validation/psnr_db") == [(6, 31.0)]


def test_without_the_extra_it_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    with pytest.raises(extras.MissingExtra, match="python -m pip install tensorboard"):
        TensorBoardLog(tmp_path)
    code = cli.main(["train", "quick-look", "--out", str(tmp_path / "run"), "--tensorboard"])
    _, err = capsys.readouterr()
    assert code == 1
    assert (
        "An optional part is not installed. TensorBoard files need tensorboard, which is not installed" in err
    )
    assert not (tmp_path / "run").exists()


def test_the_command_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from core.training.recipe import TrainRecipe

    for folder in ("clean", "clean_val"):
        image_io.write(tmp_path / folder / "a.png", image_io.from_array(photo(64, 48)))
    recipe = TrainRecipe(
        name="tiny", preset="custom", width=4, steps=2, batch=2, patch_px=32, log_every=1, validate_every=2,
        validate_crop_px=32, warmup_steps=1, contrastive_weight=0.0,
    )  # fmt: skip
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    words = [
        "train",
        tmp_path / "r.toml",
        "--data",
        tmp_path,
        "--out",
        tmp_path / "run",
        "--tensorboard",
        "--device",
        "cpu",
    ]
    code = cli.main([str(word) for word in words])
    _, err = capsys.readouterr()
    assert code == 0, err
    assert [number for number, _ in scalars(tmp_path / "run", "loss/total")] == [1, 2]
    assert [number for number, _ in scalars(tmp_path / "run", "validation/psnr_db")] == [2]
