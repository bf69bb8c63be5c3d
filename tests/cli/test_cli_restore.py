"""The command line: restoring photos and folders of them."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import restore_batch, stopping
from core.images import io as image_io
from tests.cli.cli_kit import ROOT, run, start, write
from tests.forked import Forked, command
from tests.image_makers import without_extras
from tests.small import photo, save_small_model


def test_photos_may_stand_on_both_sides_of_an_option(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path
) -> None:
    (photos / "c.png").write_bytes((photos / "a.png").read_bytes())
    code, _, err = run(capsys, "restore", photos / "a.png", "--model", model, photos / "c.png")
    assert (code, err) == (0, "")
    assert (photos / "a.derained.png").exists() and (photos / "c.derained.png").exists()
    code, _, err = run(capsys, "restore", photos / "a.png", "--modell", model)
    assert code == 2 and "did you mean --model?" in err


def test_restore_writes_beside_the_photo(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path
) -> None:
    before = (photos / "a.png").read_bytes()
    code, out, err = run(capsys, "restore", photos / "a.png", "--model", model)
    assert (code, err) == (0, "")
    assert f"{photos / 'a.png'} -> {photos / 'a.derained.png'}" in out
    assert (photos / "a.png").read_bytes() == before
    restored = image_io.read(photos / "a.derained.png")
    assert restored.pixels.shape == (30, 40, 3)
    record = image_io.read_provenance(photos / "a.derained.png")
    assert record is not None and record["model"] == "small" and record["task"] == "derain"


def test_strength_zero_gives_the_photo_back(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path
) -> None:
    full = photos / "full"
    assert run(capsys, "restore", photos / "a.png", "--model", model, "--strength", "0")[0] == 0
    assert run(capsys, "restore", photos / "a.png", "--model", model, "--out", full)[0] == 0
    original = image_io.read(photos / "a.png").pixels
    assert np.array_equal(image_io.read(photos / "a.derained.png").pixels, original)
    assert not np.array_equal(image_io.read(full / "a.derained.png").pixels, original)


def test_folders_keep_their_tree(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    out_dir = tmp_path / "out"
    assert run(capsys, "restore", photos, "--model", model, "--out", out_dir)[0] == 0
    assert sorted(p.name for p in out_dir.rglob("*.png")) == ["a.derained.png", "b.derained.png"]
    code, out, _ = run(capsys, "restore", photos, "--model", model, "--out", out_dir / "all", "--recursive")
    assert code == 0 and "3 photos" in out and "3 restored" in out
    assert (out_dir / "all/deeper/c.derained.png").is_file()


def test_results_are_not_restored_again(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path
) -> None:
    inside = photos / "out"
    for words in ([], ["--out", inside]):
        for more in ([], ["--overwrite"]):
            code, out, _ = run(capsys, "restore", photos, "--model", model, "--recursive", *words, *more)
            assert code == 0 and "3 photos" in out, (words, more)
    assert not list(photos.rglob("*derained.derained*"))
    # given by name it is taken for what it is
    assert run(capsys, "restore", photos / "a.derained.png", "--model", model)[0] == 0


def test_out_above_the_photos_hides_none(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    code, out, _ = run(capsys, "restore", "photos", "--model", model, "--out", ".")
    assert code == 0 and "2 restored" in out
    assert (photos.parent / "a.derained.png").is_file()


def test_one_bad_file_never_stops_the_rest(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    whole = (photos / "a.png").read_bytes()
    bad = {
        "empty.png": b"",
        "text.png": b"not a picture at all",
        "cut.png": whole[: len(whole) // 2],
        "bomb.bmp": b"BM" + (70).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
        + (40).to_bytes(4, "little") + (60000).to_bytes(4, "little") * 2 + b"\1\0\x18\0" + bytes(24),
    }  # fmt: skip
    for name, content in bad.items():
        (photos / name).write_bytes(content)
    out_dir = tmp_path / "out"
    code, out, err = run(
        capsys, "restore", photos, photos / "absent.png", "--model", model, "--out", out_dir, "--json"
    )
    assert code == 1
    found = json.loads(out)
    assert (found["count"], found["restored"], found["failed"]) == (7, 2, 5)
    rows = {Path(row["input"]).name: row for row in found["images"]}
    for name in [*bad, "absent.png"]:
        assert (
            rows[name]["status"] == "failed" and name in rows[name]["error"] and rows[name]["output"] is None
        )
        assert rows[name]["error"] in err
    assert err.count("\n") == 5
    assert sorted(p.name for p in out_dir.iterdir()) == ["a.derained.png", "b.derained.png"]


def test_pictures_that_cannot_be_read_are_named_and_count_as_no_failure(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_extras(monkeypatch)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    out_dir = photos / "out"
    for path in (photos / "a.heic", photos / "deeper/c.heic", out_dir / "old.heic"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(heic)
    (photos / "b.gif").write_bytes(b"GIF89a" + bytes(20))
    (photos / "notes.txt").write_text("rain")
    words = ("restore", photos, "--model", model, "--out", out_dir, "--overwrite")
    remedy = "HEIC opens once python -m pip install pillow-heif has been run."
    line = f"2 files are pictures MemoryNet cannot read: a.heic (HEIC), b.gif (GIF). {remedy}\n"
    code, out, err = run(capsys, *words)
    assert code == 0 and "2 photos" in out and "heic" not in out
    assert err == line
    code, out, err = run(capsys, *words, photos, "--recursive", "--json")
    assert code == 0 and err.startswith("3 files are pictures")
    found = json.loads(out)
    assert (found["count"], found["failed"]) == (3, 0)
    assert found["passed_over"] == [
        {"input": str(photos / "a.heic"), "kind": "HEIC"},
        {"input": str(photos / "b.gif"), "kind": "GIF"},
        {"input": str(photos / "deeper" / "c.heic"), "kind": "HEIC"},
    ]
    code, _, err = run(capsys, *words, photos / "a.heic")
    assert code == 1 and err.endswith("1 file is a picture MemoryNet cannot read: b.gif (GIF).\n"), (
        "given by name it is a photo that fails"
    )
    code, out, _ = run(capsys, "restore", "--help")
    assert "count as no failure" in out


def test_json_is_all_there_is_on_stdout(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path
) -> None:
    code, out, err = run(
        capsys, "restore", photos / "a.png", "--model", model, "--precision", "fp32", "--json"
    )
    assert (code, err) == (0, "")
    (row,) = json.loads(out)["images"]
    assert row["status"] == "restored" and row["output"].endswith("a.derained.png")
    assert (row["width"], row["height"], row["precision"], row["device"]) == (40, 30, "fp32", "cpu")
    assert row["receipt"] and all(set(line) == {"what", "kept", "detail"} for line in row["receipt"])


def test_existing_results_are_safe(capsys: pytest.CaptureFixture[str], photos: Path, model: Path) -> None:
    target = photos / "a.derained.png"
    target.write_bytes(b"someone's own file")
    for words in ([], ["--resume"]):
        code, _, err = run(capsys, "restore", photos / "a.png", "--model", model, *words)
        assert code == 1 and "a.derained.png was not written. It exists already." in err
        assert target.read_bytes() == b"someone's own file"
    assert run(capsys, "restore", photos / "a.png", "--model", model, "--overwrite")[0] == 0
    assert image_io.read(target).pixels.shape == (30, 40, 3)


@pytest.mark.parametrize("words", [["--overwrite"], ["--resume"], ["--resume", "--overwrite"]])
def test_no_photo_of_the_run_is_written_over(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, words: list[str]
) -> None:
    """As with *.png in the shell, where results of earlier runs are photos too."""
    photo, result = photos / "a.png", photos / "a.derained.png"
    assert run(capsys, "restore", photo, "--model", model)[0] == 0
    before = result.read_bytes()
    if "--overwrite" not in words:
        code, out, _ = run(capsys, "restore", photo, result, "--model", model, *words)
        assert code == 0 and "1 restored, 1 skipped" in out
    more = ["--model", model, *words, "--strength", "0.5"]
    code, out, err = run(capsys, "restore", photo, result, *more)
    assert code == 1 and "a.derained.png was not written. It is the original" in err
    assert "1 failed" in out
    assert result.read_bytes() == before


def test_resume_skips_only_what_is_the_same(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    def statuses(*words: object) -> list[str]:
        code, out, _ = run(capsys, "restore", photos, "--model", model, "--resume", "--json", *words)
        assert code == 0
        return [row["status"] for row in json.loads(out)["images"]]

    assert statuses() == ["restored", "restored"]
    assert statuses() == ["skipped", "skipped"]
    assert statuses("--strength", "0.5") == ["restored", "restored"], "other settings"
    assert statuses("--strength", "0.5") == ["skipped", "skipped"]
    write(tmp_path / "new.png", photo(40, 30, 9))
    (tmp_path / "new.png").replace(photos / "a.png")
    assert statuses("--strength", "0.5") == ["restored", "skipped"], "the photo itself has changed"
    (photos / "b.derained.png").unlink()
    assert statuses("--strength", "0.5") == ["skipped", "restored"]
    save_small_model(model, seed=5)
    assert statuses("--strength", "0.5") == ["restored", "restored"], "another model"


def test_two_photos_for_one_name(capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path) -> None:
    write(tmp_path / "x/a.png", photo(20, 20, 1))
    write(tmp_path / "y/a.png", photo(20, 20, 2))
    words = (tmp_path / "x/a.png", tmp_path / "x/a.png", tmp_path / "y/a.png")
    code, out, err = run(capsys, "restore", *words, "--model", model, "--out", tmp_path / "out")
    assert code == 1 and "2 photos" in out, "the same file twice counts once"
    assert str(tmp_path / "x/a.png") in err and "same name" in err
    expected = tmp_path / "alone"
    assert run(capsys, "restore", tmp_path / "x/a.png", "--model", model, "--out", expected)[0] == 0
    first = image_io.read(tmp_path / "out/a.derained.png").pixels
    assert np.array_equal(first, image_io.read(expected / "a.derained.png").pixels)


def test_names_and_empty_folders(capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path) -> None:
    write(tmp_path / "雨 ümlaut 🌧.png", photo(20, 20, 1))
    assert run(capsys, "restore", tmp_path / "雨 ümlaut 🌧.png", "--model", model)[0] == 0
    assert (tmp_path / "雨 ümlaut 🌧.derained.png").is_file()
    (tmp_path / "nothing").mkdir()
    code, _, err = run(capsys, "restore", tmp_path / "nothing", "--model", model)
    assert code == 1 and err == f"{tmp_path / 'nothing'}: nothing holds no photos.\n"
    (tmp_path / "above" / "below").mkdir(parents=True)
    write(tmp_path / "above" / "below" / "a.png", photo(20, 20, 1))
    code, _, err = run(capsys, "restore", tmp_path / "above", "--model", model)
    assert code == 1 and "The 1 folder below it was left out; --recursive goes into them." in err


def test_failures_of_a_long_run_are_listed_once_more(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore_batch, "_SCREENFUL", 2)
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_text("no picture")
    write(tmp_path / "d.png", photo(20, 20, 1))
    code, out, err = run(capsys, "restore", tmp_path, "--model", model)
    assert code == 1 and err.count("It is a text file, not a picture.") == 3
    closing = out[out.index("4 photos in") :].splitlines()
    assert closing[0].endswith(": 1 restored, 3 failed")
    assert closing[1:] == [
        f"    failed: {tmp_path / 'a.png'}",
        f"    failed: {tmp_path / 'b.png'}",
        "    and 1 more",
    ]


def test_a_result_in_the_way_names_the_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    write(tmp_path / "a.png", photo(20, 20, 1))
    write(tmp_path / "a.derained.png", photo(20, 20, 2))
    code, _, err = run(capsys, "restore", tmp_path / "a.png", "--model", model)
    assert (
        code == 1 and "It exists already. Choose another name or folder, or allow it with --overwrite." in err
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_name_that_is_no_text(capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path) -> None:
    write(tmp_path / "a.png", photo(20, 20, 1))
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    (tmp_path / "a.png").rename(odd)
    code, out, err = run(capsys, "restore", odd, "--model", model)  # to a stream as strict as the real one
    assert code == 0, err
    assert "caf" in out
    assert Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.derained.png")).is_file()


def test_format_depth_and_tiles(capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path) -> None:
    write(tmp_path / "deep.png", photo(100, 90, 1, np.uint16))
    words = ("restore", tmp_path / "deep.png", "--model", model, "--precision", "fp32")
    assert run(capsys, *words)[0] == 0
    deep = image_io.read(tmp_path / "deep.derained.png").pixels
    assert deep.dtype == np.uint16
    assert run(capsys, *words, "--format", "tif", "--bit-depth", "8")[0] == 0
    shallow = image_io.read(tmp_path / "deep.derained.tif").pixels
    assert shallow.dtype == np.uint8
    assert np.abs(shallow.astype(float) * 257 - deep).max() <= 129
    code, out, _ = run(capsys, *words, "--tile", "64", "--out", tmp_path / "tiled", "--json")
    assert code == 0 and json.loads(out)["images"][0]["tile_px"] == 64
    tiled = image_io.read(tmp_path / "tiled/deep.derained.png").pixels
    assert np.abs(tiled.astype(int) - deep).max() <= 257


def test_a_failing_disk_is_a_row(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    code, out, err = run(capsys, "restore", photos, "--model", model)
    assert code == 1 and "1 restored, 1 failed" in out
    assert "Free some space" in err
    assert sorted(p.name for p in photos.iterdir()) == ["a.png", "b.derained.png", "b.png", "deeper"]


def test_ctrl_c_stops_and_keeps_what_is_done(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "many"
    write(folder / "1.png", photo(64, 64, 1))
    write(folder / "2.png", np.tile(photo(250, 250, 2), (8, 8, 1)))
    words = ("restore", folder, "--model", model, "--precision", "fp32", "--device", "cpu", "--tile", "64")
    process = Forked(tmp_path, command, *map(str, words))
    done = folder / "1.derained.png"
    deadline = time.monotonic() + 60
    while not done.is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, err = process.wait(60), process.err.read_text()
    assert code == 130, err
    assert "Stopped: 1 of 2 photos are restored and kept" in err and "Traceback" not in err
    assert time.monotonic() - asked < 10
    assert sorted(p.name for p in folder.iterdir()) == ["1.derained.png", "1.png", "2.png"]


SLOW_TORCH = """
import signal, sys, time
print("importing", flush=True)
until = time.monotonic() + 60
while time.monotonic() < until:
    try:
        time.sleep(60)
    except BaseException:  # as some libraries do
        pass
"""


@pytest.mark.parametrize("command", ["restore", "inspect", "evaluate", "train", "info", "demo"])
def test_ctrl_c_while_torch_is_imported(tmp_path: Path, photos: Path, command: str) -> None:
    (tmp_path / "slow" / "torch").mkdir(parents=True)
    (tmp_path / "slow" / "torch" / "__init__.py").write_text(SLOW_TORCH)
    for name in ("input", "target"):
        write(tmp_path / "pairs" / name / "a.png", photo(24, 24, 1))
    words: dict[str, list[object]] = {
        "restore": [photos],
        "inspect": [photos, "--out", tmp_path / "out"],
        "evaluate": [tmp_path / "pairs"],
        "train": ["derain", "--data", tmp_path / "data", "--out", tmp_path / "run"],
        "info": [],
        "demo": ["--out", tmp_path / "out"],
    }
    for name in (
        "clean",
        "clean_extra",
        "clean_val",
        "rain_layers",
        "pairs/raincity/input",
        "pairs/raincity/target",
    ):
        write(tmp_path / "data" / name / "a.png", photo(24, 24, 1))
    before = sorted(photos.rglob("*"))
    process = start(
        command, *words[command], env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "slow"), str(ROOT)])}
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    number = {"inspect": signal.SIGTERM, "evaluate": signal.SIGHUP}.get(command, signal.SIGINT)
    asked = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    took_s = time.monotonic() - asked
    assert (process.returncode, err) == (128 + number, "Stopped. What was finished before is kept.\n")
    assert took_s < 3, "half a second, and patience with a busy machine"
    assert sorted(photos.rglob("*")) == before and not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs to see what a process has loaded")
@pytest.mark.parametrize("library", ["libtorch", "cv2"])
def test_ctrl_c_while_the_real_torch_is_imported(photos: Path, model: Path, library: str) -> None:
    """Whatever it is at just now; also when the import is over before the signal comes."""
    process = start("restore", photos, "--model", model)
    maps = Path(f"/proc/{process.pid}/maps")
    while process.poll() is None and library not in maps.read_text("utf-8"):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.startswith("Stopped") and err.count("\n") == 1


def test_what_an_import_raises_is_raised_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_here.py").write_text("raise OSError(12, 'no room to map the library')")
    monkeypatch.syspath_prepend(tmp_path)
    with stopping.interruptible() as control, pytest.raises(OSError, match="no room to map"):
        stopping.import_aside(control, "broken_here")
    stopping.leave_if_importing(99)  # nothing is under way any more


@pytest.mark.parametrize(
    ("stage", "left"),
    [("load_model", []), ("read", []), ("restore", []), ("save", ["a.derained.png"])],
)
def test_ctrl_c_at_every_stage(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, stage: str, left: list[str],
) -> None:  # fmt: skip
    """What the stage was writing is finished or gone, and nothing after it is begun."""
    from core.restoring import outputs, passes, restore

    owner = {"load_model": passes, "read": image_io, "restore": restore, "save": outputs}[stage]
    real = getattr(owner, stage)

    def interrupted(*args: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **options)

    monkeypatch.setattr(owner, stage, interrupted)
    out_dir = tmp_path / "out"
    code, _, err = run(capsys, "restore", photos, "--model", model, "--out", out_dir)
    assert code == 130 and "Stopped" in err
    assert sorted(path.name for path in out_dir.rglob("*")) == left


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (7, 9)])
def test_odd_sizes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, size: tuple[int, int]
) -> None:
    write(tmp_path / "odd.png", photo(*size))
    assert run(capsys, "restore", tmp_path / "odd.png", "--model", model)[0] == 0
    info = image_io.read_info(tmp_path / "odd.derained.png")
    assert (info.width, info.height) == size


def test_a_model_that_would_run_code_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path
) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    bomb = tmp_path / "bomb.pth"
    bomb.write_bytes(pickle.dumps({"state_dict": Bomb()}))
    for words in (("restore", photos, "--model", bomb), ("info", bomb)):
        code, _, err = run(capsys, *words)
        assert code != 0 and "bomb.pth" in err and err.count("\n") == 1
    assert not (tmp_path / "exploded").exists()


def test_folders_that_may_not_be_used(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = os.scandir

    def locked(path: Any = ".") -> Any:
        if str(path).endswith("deeper"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", locked)
    code, out, err = run(
        capsys, "restore", photos, "--recursive", "--model", model, "--out", tmp_path / "out"
    )
    assert code == 1 and "2 restored, 1 failed" in out
    assert "deeper could not be read. Permission denied." in err
    (tmp_path / "taken").write_text("a file where a folder is needed")
    code, _, err = run(
        capsys, "restore", photos / "a.png", "--model", model, "--out", tmp_path / "taken/below"
    )
    assert code == 1 and err.count("\n") == 1
