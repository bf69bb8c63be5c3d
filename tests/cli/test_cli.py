"""The command line from the outside: what is printed where, exit codes, and files that are left behind."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import __version__
from core.cli import common as cli_common
from core.cli import demo as cli_demo
from core.cli import program as cli
from core.cli import restore as cli_restore
from core.images import io as image_io
from core.model import catalog
from core.training.recipe import TrainRecipe
from tests.image_makers import without_extras
from tests.run_makers import make_run
from tests.small import photo, save_small_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_small_model(tmp_path / "small")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for index, name in enumerate(("a.png", "b.png", "deeper/c.png")):
        write(folder / name, photo(40, 30 + index, index))
    return folder


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.write(path, image_io.from_array(pixels))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def start(*words: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "core.cli", *map(str, words)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("restore a.png --strength 1.5", "need a number from 0.0 to 1.0, got 1.5"),
        ("restore a.png --strength nan", "got nan"),
        ("restore a.png --strength much", "got much"),
        ("restore a.png --tile 0", "need 64 to 65536 px, got 0"),
        ("restore a.png --tile 12.5", "got 12.5"),
        ("restore a.png --tile big", "got big"),
        ("restore a.png --task derian", "unknown task 'derian' (known: derain, deshadow, deblur); did you mean derain?"),
        ("restore a.png --device gpu", "need auto, cpu, cuda:N or mps, got 'gpu'"),
        ("restore a.png --device cuda:99", "device 'cuda:99'"),
        ("restore a.png --precision fp8", "need auto, fp32 or bf16, got 'fp8'"),
        ("restore a.png --format jepg", "did you mean jpeg?"),
        ("restore a.png --quality 0", "need 1 to 100, got 0"),
        ("restore a.png --bit-depth 12", "need 8 or 16, got 12"),
        ("restore a.png --modle x", "unknown argument --modle; did you mean --model?"),
        ("restore a.png --stren 0.5", "unknown argument --stren"),
        ("restore a.png --model no-such-model", "no model 'no-such-model'"),
        ("restore a.png --model {root}/pyproject.toml", "pyproject.toml: damaged or not a safetensors file"),
        ("restore a.png --model {model} --task deblur", "small is for derain, not for deblur"),
        ("restore a.png --model {model} --out {root}/pyproject.toml", "is a file, need a folder"),
        ("restore", "the following arguments are required: INPUT"),
        ("restroe a.png", "no command 'restroe' (known: restore, inspect, evaluate, masks, check, train, runs, samples, calibrate, export, import, info, demo); did you mean restore?"),
        ("", "need a command"),
        ("--nonsense", "unknown argument --nonsense"),
        ("evaluate no-such-folder", "no-such-folder does not exist"),
        ("evaluate {root}/pyproject.toml", "is not a folder"),
        ("evaluate", "required: FOLDER"),
        ("train no-such-recipe --out {tmp}/run", "no recipe 'no-such-recipe'"),
        ("train derain --out {tmp}/run", "say where DATA is (--data DIR)"),
        ("train derain --out {tmp}/run --data {tmp}/none", "no such folder"),
        ("train derain --data {tmp}", "required: --out"),
        ("info no-such-model", "no model 'no-such-model'"),
        ("demo --out {root}/pyproject.toml", "is a file, need a folder"),
    ],
)  # fmt: skip
def test_bad_arguments_are_one_clear_line(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path, words: str, expected: str
) -> None:
    code, out, err = run(capsys, *words.format(model=model, tmp=tmp_path, root=ROOT).split())
    assert (code, out) == (2, "")
    assert expected in err
    assert err.count("\n") == 1 and err.startswith("memorynet")


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for command in cli.COMMANDS:
        assert f"\n    {command}" in out
    for command in cli.COMMANDS:
        code, out, _ = run(capsys, command, "--help")
        assert code == 0 and out.startswith(f"usage: memorynet {command}")
        assert max(map(len, out.splitlines())) <= 100
    assert run(capsys, "--version") == (0, f"MemoryNet {__version__}\n", "")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, core.cli.program; core.cli.program.main(['restore', '--help']);"
        "heavy = {'torch', 'PySide6', 'cv2', 'skimage', 'scipy', 'rich', 'PIL'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_bug_is_a_sentence_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "models", lambda extra=(): 1 / 0)
    code, out, err = run(capsys, "info", "x")
    assert code == 1 and out == ""
    assert "ZeroDivisionError: division by zero" in err and "MEMORYNET_DEBUG=1" in err
    monkeypatch.setenv("MEMORYNET_DEBUG", "1")
    assert cli.main(["info", "x"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error() -> None:
    process = start("runs", "--json")  # light: it is heard at once
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) in (0, 1)


# --- restore -------------------------------------------------------------------------------------


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
    monkeypatch.setattr(cli_restore, "_SCREENFUL", 2)
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
    process = start("restore", str(odd), "--model", model)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
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
    process = start(
        "restore", folder, "--model", model, "--precision", "fp32", "--device", "cpu", "--tile", "64"
    )
    done = folder / "1.derained.png"
    deadline = time.monotonic() + 60
    while not done.is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
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
@pytest.mark.parametrize("library", ["_multiarray_umath", "libtorch", "libtorch_python", "cv2"])
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
    with cli_common.interruptible() as control, pytest.raises(OSError, match="no room to map"):
        cli_common.import_aside(control, "broken_here")
    cli_common.leave_if_importing(99)  # nothing is under way any more


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


# --- evaluate ------------------------------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    folder = tmp_path / "pairs"
    for index in range(2):
        truth = photo(40, 30, index)
        write(folder / f"rain/rain-{index}.png", np.minimum(truth.astype(int) + 40, 255).astype(np.uint8))
        write(folder / f"norain/norain-{index}.png", truth)
    return folder


def test_evaluate_json(capsys: pytest.CaptureFixture[str], pairs: Path, model: Path) -> None:
    code, out, err = run(capsys, "evaluate", pairs, "--task", "derain", "--model", model, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    wanted = ["task", "protocol", "count", "input", "restored", "megapixels_per_s", "device", "precision", "model", "images"]  # fmt: skip
    assert [key for key in found if key in wanted] == wanted
    assert (found["task"], found["protocol"], found["count"], found["model"]) == ("derain", "Y", 2, "small")
    assert set(found["input"]) == set(found["restored"]) == {"psnr_db", "ssim"}
    assert len(found["images"]) == 2


def test_evaluate_in_words(capsys: pytest.CaptureFixture[str], pairs: Path, model: Path) -> None:
    code, out, _ = run(capsys, "evaluate", pairs, "--model", model)
    assert code == 0
    assert "2 pairs measured (rain/norain), small on cpu" in out
    assert "Y    restored  PSNR" in out and "RGB  input     PSNR" in out and "studio-range" in out


def test_evaluate_measures_what_was_saved(
    capsys: pytest.CaptureFixture[str], pairs: Path, model: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    code, first, _ = run(capsys, "evaluate", pairs, "--model", model, "--save", saved, "--csv")
    assert code == 0 and first.startswith("name,width,height,input_Y_psnr_db,")
    code, second, err = run(capsys, "evaluate", pairs, "--results", saved, "--csv")
    assert (code, err) == (0, "")
    columns = range(first.splitlines()[0].split(",").index("seconds"))
    for one, two in zip(first.splitlines(), second.splitlines(), strict=True):
        assert [one.split(",")[at] for at in columns] == [two.split(",")[at] for at in columns]
    code, out, _ = run(capsys, "evaluate", pairs, "--results", saved, "--markdown")
    assert code == 0 and "± " in out and "| saved |" in out
    code, out, _ = run(capsys, "evaluate", pairs, "--results", saved)
    assert code == 0 and f"pictures of {saved}" in out and "standard deviation" in out and "Y8 " in out
    for wrong, why in (
        (("--results", saved, "--model", model), "do not go together"),
        (("--results", saved, "--save", saved), "not allowed with"),
        (("--save", pairs), "holds the pictures that are measured"),
        (("--results", tmp_path / "none"), "does not exist"),
    ):
        code, _, err = run(capsys, "evaluate", pairs, *wrong)
        assert code != 0 and why in err


def test_evaluate_names_what_it_cannot_pair(
    capsys: pytest.CaptureFixture[str], pairs: Path, model: Path
) -> None:
    extra = [pairs / f"rain/odd-{index}.png" for index in range(12)]
    for path in extra:
        write(path, photo(20, 20))
    code, out, err = run(capsys, "evaluate", pairs, "--model", model, "--json")
    assert (code, out) == (1, "")
    assert all(str(path) in err for path in extra)


def test_evaluate_names_pictures_it_cannot_read(
    capsys: pytest.CaptureFixture[str], pairs: Path, model: Path
) -> None:
    folder = next(path for path in pairs.iterdir() if path.is_dir())
    (folder / "more.nef").write_bytes(b"MM\0*\0\0\0\x08" + bytes(16))
    code, out, err = run(capsys, "evaluate", pairs, "--model", model, "--json")
    assert code == 0 and json.loads(out)["count"] > 0
    assert err == "1 file is a picture MemoryNet cannot read: more.nef (camera raw).\n"


def test_evaluate_with_a_bad_pair(capsys: pytest.CaptureFixture[str], pairs: Path, model: Path) -> None:
    (pairs / "rain/rain-0.png").write_bytes(b"")
    code, out, err = run(capsys, "evaluate", pairs, "--model", model, "--json")
    found = json.loads(out)
    assert code == 1 and found["count"] == 1 and "empty" in found["images"][0]["error"]
    assert err.startswith("rain-0: ")


# --- train ---------------------------------------------------------------------------------------


def _recipe(tmp_path: Path, steps: int = 4, **more: Any) -> Path:
    for index in range(3):
        write(tmp_path / f"data/clean/{index}.png", photo(48, 48, index))
        write(tmp_path / f"data/clean_val/v{index}.png", photo(32, 32, 10 + index))
    recipe = TrainRecipe(
        name="tiny", preset="custom", width=4, steps=steps, batch=2, patch_px=16, warmup_steps=1, log_every=1,
        validate_every=max(2, steps // 2), validate_crop_px=32, precision="fp32", **more,
    )  # fmt: skip
    path = tmp_path / "tiny.toml"
    path.write_text(recipe.to_toml())
    return path


def test_train_and_use_the_model(capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path) -> None:
    recipe, out_dir = _recipe(tmp_path), tmp_path / "run"
    words = ("train", recipe, "--data", tmp_path / "data", "--out", out_dir)
    code, out, err = run(capsys, *words)
    assert code == 0 and err.startswith("Only 3 photos to train on") and err.count("\n") == 1
    assert "Trained 4 steps" in out and f"Model: {out_dir / 'model'}" in out and "studio-range" in out
    assert run(capsys, "restore", photos / "a.png", "--model", out_dir / "model")[0] == 0
    code, out, err = run(capsys, *words)
    assert code == 2 and "already holds a run" in err and err.count("\n") == 1
    code, out, err = run(capsys, *words, "--resume")
    assert code == 0 and "at step 4" in out


def test_train_refuses_a_bad_recipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[training]\nsteps = -1\n")
    code, out, err = run(capsys, "train", path, "--out", tmp_path / "run")
    assert (code, out) == (2, "") and "steps -1: need 1 to" in err
    path.write_text("[training\n")
    assert "not valid TOML" in run(capsys, "train", path, "--out", tmp_path / "run")[2]


def test_a_run_that_fails_is_no_bad_argument(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.training import trainer as training

    def fail(*_args: Any, **_options: Any) -> None:
        raise training.TrainingError("step 3: the loss is nan; a lower learning rate usually helps")

    words = ("train", _recipe(tmp_path), "--data", tmp_path / "data", "--out")
    monkeypatch.setattr(training._Run, "_validate", fail)
    code, _, err = run(capsys, *words, tmp_path / "run")
    assert code == 1 and "step 3: the loss is nan" in err
    assert list((tmp_path / "run/checkpoints").glob("step-*")), "what was learned before is kept"
    (tmp_path / "data/clean_val/v0.png").unlink()
    (tmp_path / "data/clean_val/v1.png").unlink()
    (tmp_path / "data/clean_val/v2.png").unlink()
    code, _, err = run(capsys, *words, tmp_path / "other")
    assert code == 2 and "no photos in it" in err


def test_ctrl_c_in_training_keeps_a_checkpoint(tmp_path: Path) -> None:
    recipe, out_dir = _recipe(tmp_path, steps=100_000), tmp_path / "run"
    process = start("train", recipe, "--data", tmp_path / "data", "--out", out_dir)
    curve = out_dir / "curve.jsonl"
    deadline = time.monotonic() + 60
    while not (curve.is_file() and curve.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "is kept in" in err and "--resume goes on from there" in err and "Traceback" not in err
    assert list((out_dir / "checkpoints").glob("step-*.safetensors"))


# --- info and demo -------------------------------------------------------------------------------


def test_info(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    broken = catalog.user_models_dir() / "broken"
    broken.mkdir(parents=True)
    code, out, err = run(capsys, "info")
    assert (code, err) == (0, "")
    assert "cpu" in out and "torch" in out and "broken" in out and "config.json: missing" in out
    from core.model import tensors

    monkeypatch.setattr(
        tensors, "cuda_advice", lambda: "an NVIDIA card is present but this PyTorch has no CUDA"
    )
    assert "an NVIDIA card is present" in run(capsys, "info")[1]
    found = json.loads(run(capsys, "info", "--json")[1])
    assert found["versions"]["memorynet"] == __version__
    assert found["devices"][-1]["name"] == "cpu" and found["cuda_advice"].startswith("an NVIDIA")


def test_info_on_a_model(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    code, out, _ = run(capsys, "info", model)
    assert code == 0 and "small" in out and "made by a test" in out
    found = json.loads(run(capsys, "info", model, "--json")[1])
    assert found["sha256"] in out and found["provenance"]["note"] == "made by a test"
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:100])
    code, out, err = run(capsys, "info", model)
    assert (code, out) == (1, "") and "damaged" in err and err.count("\n") == 1


def test_demo(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(_photo: Path, target: Path, _model: Path) -> None:
        target.write_bytes(b"drawn by the window, tested with it")

    monkeypatch.setattr(cli_demo, "_picture_of_the_window", draw)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # in its own folder a second time replaces the first
        assert run(capsys, "demo", "--model", model)[0] == 0
    assert len(list((tmp_path / "output" / "demo").iterdir())) == 3
    out_dir = tmp_path / "demo"
    code, out, err = run(capsys, "demo", "--model", model, "--out", out_dir)
    assert (code, err) == (0, "")
    mine = (out_dir / "before-after.png").read_bytes()
    assert "Y input     PSNR" in out and "studio-range" in out and str(out_dir) in out
    sample = next(sample for sample in catalog.samples() if sample.truth)
    written = sorted(path.name for path in out_dir.iterdir())
    assert written == sorted([f"{sample.path.stem}.derained.jpg", "before-after.png", "window.png"])
    both, one = image_io.read_info(out_dir / "before-after.png"), image_io.read_info(sample.path)
    assert both.width > 2 * one.width and both.height > one.height
    monkeypatch.setattr(cli_demo, "_picture_of_the_window", lambda *_: "libEGL is missing")
    code, _, err = run(capsys, "demo", "--model", model, "--out", out_dir)
    assert code == 1 and "No picture of the window: libEGL is missing" in err
    assert (out_dir / "before-after.png").read_bytes() == mine  # in anybody else's folder nothing is replaced
    assert (out_dir / "before-after-2.png").exists()


def test_the_window_draws_itself(model: Path, tmp_path: Path) -> None:
    sample = next(sample for sample in catalog.samples() if sample.truth)
    target = tmp_path / "window.png"
    assert cli_demo._picture_of_the_window(sample.path, target, model) is None
    drawn = image_io.read(target)
    assert (drawn.info.width, drawn.info.height) == (1440, 900)
    colours = drawn.pixels.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    assert len(np.unique(colours)) > 10_000, "the photo is in it"
    reason = cli_demo._picture_of_the_window(tmp_path / "absent.png", target, model)
    assert reason is not None and "absent.png could not be read" in reason
    assert not target.exists()


# --- small parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")]
)
def test_clock(seconds: float, text: str) -> None:
    assert cli_common.clock(seconds) == text


def test_progress_is_lines_where_nobody_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(cli_common, "_PLAIN_EVERY_S", 10.0)
    monkeypatch.setattr(cli_common.time, "monotonic", lambda: now[0])
    with cli_common.Progress("tiles") as progress:
        progress.show("a.png", 1, 8)
        now[0] = 11.0
        progress.show("a.png", 3, 8, "0:20 left")
        progress.show("a.png", 4, 8)
    assert capsys.readouterr() == ("", "a.png: 3 of 8 tiles, 0:20 left\n")
    now[0] = 0.0
    with cli_common.Progress() as progress:  # a label that counts by itself
        now[0] = 11.0
        progress.show("2 of 12  a.png", 1.5, 12, "tile 2 of 4")
        now[0] = 22.0
        progress.show("2 of 12  a.png", 2, 12)
    assert capsys.readouterr().err == "2 of 12  a.png: tile 2 of 4\n2 of 12  a.png\n"


def test_ctrl_c_twice_breaks_off() -> None:
    # the background job of a shell starts with interrupts ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), cli_common.interruptible() as control:
            os.kill(os.getpid(), signal.SIGINT)
            assert control.cancelled
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_stands_for_its_best_weights_and_one_without_any_says_so(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "runs", "rain-1", step=20, steps=40)
    pairs = tmp_path / "pairs"
    for side in ("input", "target"):
        (pairs / side).mkdir(parents=True)
        image_io.write(pairs / side / "a.png", image_io.from_array(photo(24, 16)))
    shutil.rmtree(folder / "model", ignore_errors=True)
    code, _, err = run(capsys, "evaluate", pairs, "--model", folder)
    assert code == 2 and "the run has no model yet" in err and "Errno" not in err
    shutil.copytree(model, folder / "model")
    code, out, _ = run(capsys, "evaluate", pairs, "--model", folder, "--json")
    assert code == 0 and json.loads(out)
