"""The command line: arguments, info, demo, small parts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core import __version__
from core.cli import common as cli_common
from core.cli import demo as cli_demo
from core.cli import program as cli
from core.cli import stopping
from core.images import io as image_io
from core.model import catalog
from tests.cli.cli_kit import ROOT, run, start
from tests.run_makers import make_run
from tests.small import photo

# --- arguments ----------------------------------------------------------------------------------


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


# --- info and demo ------------------------------------------------------------------------------


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
    shot = tmp_path / "photo.png"
    image_io.write(shot, image_io.from_array(photo(320, 240)))
    target = tmp_path / "window.png"
    assert cli_demo._picture_of_the_window(shot, target, model) is None
    drawn = image_io.read(target)
    assert (drawn.info.width, drawn.info.height) == (1440, 900)
    colours = drawn.pixels.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    assert len(np.unique(colours)) > 10_000, "the photo is in it"


def test_why_the_window_was_not_drawn_is_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from memorynet_gui import snapshot

    def here(words: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        assert words[:3] == [sys.executable, "-m", "memorynet_gui.snapshot"]
        print("a warning before", file=sys.stderr)
        code = snapshot.main(words[3:])
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    started_here = SimpleNamespace(run=here, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(cli_demo, "subprocess", started_here)
    target = tmp_path / "window.png"
    target.write_bytes(b"of an earlier time")
    reason = cli_demo._picture_of_the_window(tmp_path / "absent.png", target, model)
    assert reason is not None and "absent.png could not be read" in reason
    assert not target.exists()


# --- small parts --------------------------------------------------------------------------------


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
        with pytest.raises(KeyboardInterrupt), stopping.interruptible() as control:
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
