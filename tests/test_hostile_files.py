"""Files that others wrote, or that a disk has spoiled: one bad file is one line, and costs neither time nor memory."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core import atomic, foreign_text
from core.export import folder as exported
from core.export import import_weights
from core.jobs import JobControl, ignore
from core.model import catalog, checkpoint
from core.model.checkpoint import CheckpointError
from core.model.memory_edit import MemoryEdit, MemoryEditError
from core.restoring import calibration
from core.restoring.verdict import Thresholds
from core.training import state as training_state
from core.training.recipe import RecipeError, TrainRecipe
from core.training.run_folder import RunFolder, TrainingError, iterate_curve
from core.training.trainer import train
from tests.small import save_small_model, small_network
from tests.training_kit import RECIPE, make_data

DEEP = "[" * 100_000


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 100_000, "{", "[1]", '"x"', "5", ""])
def test_json_that_is_no_object_is_a_value_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError):
        foreign_text.read_json(put(tmp_path / "a.json", text.encode()))


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(20 << 30)  # a hole: 20 GB that take no room
    with pytest.raises(ValueError, match="more than"):
        foreign_text.read_json(tmp_path / "a.json")


@pytest.mark.skipif(os.name != "posix", reason="no pipes with names")
@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_nobody_waits_at_a_pipe_or_reads_an_endless_device(tmp_path: Path, kind: str) -> None:
    folder = save_small_model(tmp_path / "models" / "m")
    for name in ("config.json", "recipe.toml", "curve.jsonl"):
        (folder / name).unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(folder / name)
        else:
            (folder / name).symlink_to("/dev/zero")
    assert "no regular file" in str(catalog.entry(folder).error)
    with pytest.raises(OSError, match="no regular file"):
        TrainRecipe.from_toml(folder / "recipe.toml")
    with pytest.raises(Exception, match="no regular file"):
        list(iterate_curve(folder))
    with pytest.raises(MemoryEditError, match="no regular file"):
        MemoryEdit.read(folder / "config.json")


@pytest.mark.skipif(os.name != "posix", reason="no pipes with names")
def test_a_card_that_is_a_pipe_holds_up_no_export(tmp_path: Path) -> None:
    model = save_small_model(tmp_path / "m")
    os.mkfifo(model / "card.md")
    made = exported.export_model(model, tmp_path / "out", ignore, JobControl())
    assert (made / "card.md").read_text()


def test_what_a_run_compared_last_may_be_anything(tmp_path: Path) -> None:
    """Archives that claim petabytes, or hold numbers no counter takes."""
    folder = RunFolder(tmp_path)
    head = io.BytesIO()
    claims: Any = {"descr": "|u1", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(head, claims)
    told = {"step": 1, "task": "derain", "weights": [1], "groups": [[["anchor", 1, None, [1e999, 0, 0]]]]}
    kept: dict[str, Any] = {"told": np.frombuffer(json.dumps(told).encode(), np.uint8)}
    for name, content in (("told.npy", head.getvalue()), ("x.npy", b"")):
        with zipfile.ZipFile(folder.contrast_file, "w") as archive:
            archive.writestr(name, content)
        assert folder.contrast() is None
    np.savez(folder.contrast_file, **kept, **{"0-0": np.zeros((8, 8, 3), np.uint8)})
    assert folder.contrast() is None


@pytest.mark.parametrize(
    "text",
    [
        ".".join("a" * 20_000) + " = 1",
        "[" + ".".join("a" * 20_000) + "]",
        "x = {" + ' . "a"'.join(["a"] * 20_000) + " = 1}",
        "x = " + DEEP,
        "#" * (2 << 20),
    ],
)
def test_a_recipe_that_would_take_gigabytes_is_refused_at_once(tmp_path: Path, text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(RecipeError):
        TrainRecipe.from_toml(put(tmp_path / "r.toml", text.encode()))
    assert time.perf_counter() - began < 2


def test_the_recipes_that_ship_pass() -> None:
    for name in catalog.recipes():
        TrainRecipe.from_toml(catalog.recipe(name))


def test_one_bad_description_is_one_line_of_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "models"
    save_small_model(root / "good")
    for name, content in {"deep": DEEP, "list": "[]", "empty": "", "text": "\0\0"}.items():
        (root / name).mkdir()
        put(root / name / "config.json", content.encode())
    monkeypatch.setenv(catalog.MODELS_VARIABLE, str(root))
    found = {entry.name: entry.error for entry in catalog.models()}
    assert found["good"] is None
    assert all(str(found[name]).startswith("config.json: ") for name in ("deep", "list", "empty", "text"))
    assert catalog.resolve("good") == root / "good"
    assert catalog.default_model("derain").is_dir()


# --- weights -------------------------------------------------------------------------------------


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """Every region of the file: its header, the configuration in it, the first and the last weights."""
    file = save_small_model(tmp_path / "m") / "model.safetensors"
    data = file.read_bytes()
    head = 8 + int.from_bytes(data[:8], "little")
    width = data.index(b'\\"width\\": 4')
    for at in (
        8 + 3,
        width + len(b'\\"width\\": 4') - 1,
        head,
        head + 1,
        (head + len(data)) // 2,
        len(data) - 1,
    ):
        hurt = bytearray(data)
        hurt[at] ^= 1
        file.write_bytes(hurt)
        with pytest.raises(CheckpointError):
            checkpoint.load(file.parent)
    file.write_bytes(data)
    checkpoint.load(file.parent)


def test_a_spoiled_training_checkpoint_is_noticed_and_an_older_one_still_reads(tmp_path: Path) -> None:
    kept = training_state.Checkpoints(tmp_path)
    tensors = {"weights": torch.arange(100.0), "moments": torch.zeros(0), "count": torch.tensor(3)}
    file = kept.save(7, tensors, {"step": 7})
    found, state = training_state.read(file)
    assert state == {"step": 7} and torch.equal(found["weights"], tensors["weights"])
    data = file.read_bytes()
    file.write_bytes(data[:-3] + bytes([data[-3] ^ 64]) + data[-2:])
    with pytest.raises(CheckpointError, match="checksum"):
        training_state.read(file)
    save_file(
        tensors, file, metadata={"training": json.dumps({"step": 7})}
    )  # as written before there were any
    assert training_state.read(file)[1] == {"step": 7}


def test_a_folder_named_like_a_checkpoint_is_none(tmp_path: Path) -> None:
    kept = training_state.Checkpoints(tmp_path)
    (tmp_path / "step-00000099.safetensors").mkdir()
    file = kept.save(7, {"a": torch.zeros(1)}, {})
    assert kept.files() == [file]
    kept.remove_later_than(3)
    assert kept.files() == []


def test_a_tensor_that_claims_more_than_its_file_holds_is_refused(tmp_path: Path) -> None:
    """A stride of 0 makes gigabytes of four bytes; so does one storage under many names."""
    config = {"task": "derain", "network": small_network().config.as_dict()}
    shared = torch.zeros(1 << 16)
    wide = torch.zeros(1).expand(40_000, 40_000)
    for weights in ({"last.bias": wide}, {f"w{i}": shared for i in range(500)}):
        file = tmp_path / "odd.pth"
        torch.save({"state_dict": weights, "config": config}, file)
        with pytest.raises(CheckpointError, match="claim"):
            checkpoint.load(file)


def test_an_archive_that_unpacks_to_far_more_is_refused_before_it_does(tmp_path: Path) -> None:
    file = tmp_path / "bomb.pth"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\x80\x02}.")
        archive.writestr("bomb/data/0", bytes(8 << 20))
    with pytest.raises(CheckpointError, match="unpacks to"):
        checkpoint.read_weights(file)


# --- runs ----------------------------------------------------------------------------------------


def test_lost_lines_of_a_curve_cost_only_themselves(tmp_path: Path) -> None:
    lines = ['{"kind": "step", "step": 1}', '{"kind": "step"}', DEEP, "5", '{"step": 2}', "\0\0"]
    lines += ['{"kind": "step", "step": "x"}', '{"kind": "step", "step": 3}', '{"kind": "st']
    put(tmp_path / "curve.jsonl", "\n".join(lines).encode())
    lost: list[int] = []
    assert [line["step"] for line in iterate_curve(tmp_path, lost.append)] == [1, 3]
    assert lost == [2, 3, 4, 5, 6, 7], "the last one may be half written: no loss"


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_run_whose_parts_are_links_is_not_trained_in(tmp_path: Path) -> None:
    """Old checkpoints and frames are removed as a run goes on: behind a link they are somebody else's."""
    theirs, data = tmp_path / "theirs", make_data(tmp_path / "data")
    theirs.mkdir()
    kept = put(theirs / "step-00000500.safetensors", b"x")
    for part in ("checkpoints", "model", "film"):
        run = tmp_path / part
        run.mkdir()
        (run / "recipe.toml").write_text(RECIPE.to_toml())
        (run / part).symlink_to(theirs)
        with pytest.raises(TrainingError, match=f"{part}: is a link"):
            train(RECIPE, (data,), run, ignore, JobControl(), resume=True)
    assert kept.read_bytes() == b"x"


def test_brackets_within_brackets_are_one_error_for_every_reader(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    bad = put(tmp_path / "model" / "config.json", b"[" * 100_000)
    with pytest.raises(import_weights.ImportFailed, match="brackets too deep"):
        import_weights.read_config(bad)
    with pytest.raises(calibration.CalibrationError, match="brackets too deep"):
        calibration.keep(bad.parent, Thresholds(0.1, 0.2, None))
    assert bad.read_bytes() == b"[" * 100_000


def test_leftovers_behind_a_link_are_somebody_elses(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    left = put(other / ".a.safetensors.0123abcd.tmp", b"x")
    (tmp_path / "checkpoints").symlink_to(other)
    atomic.remove_leftovers(tmp_path / "checkpoints")
    assert left.exists()
    atomic.remove_leftovers(other)
    assert not left.exists()
