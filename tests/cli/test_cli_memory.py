"""The command line's memory and masks: --no-memory, --memory-edit, --mask and --masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import program as cli
from core.images import io as image_io
from core.model import checkpoint
from core.model.memory_edit import MemoryEdit, Slots, Step
from core.restoring.memory import pictures as pictures_of_memory
from tests.small import photo, save_small_model, small_network

SWAP = MemoryEdit((Step("swap", Slots("positive"), other=Slots("negative")),))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """One that was trained with masks, by its own account."""
    network, told = small_network(), {"guidance": True}
    return checkpoint.save(tmp_path / "small", network, name="small", task="derain", provenance=told)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    return write(tmp_path / "photos/a.png", photo(40, 30, 1))


@pytest.fixture
def edit(tmp_path: Path) -> Path:
    path = tmp_path / "edit.json"
    path.write_text(SWAP.to_json())
    return path


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.write(path, image_io.from_array(pixels))
    return path


def grey(width: int = 40, height: int = 30) -> np.ndarray:
    left = np.arange(width) < width // 2
    return np.tile(left[:, None] * np.uint8(255), (height, 1, 1))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("restore {shot} --memory-edit {tmp}/none.json", "none.json: No such file or directory"),
        ("restore {shot} --memory-edit {shot}", "a.png: not a text in UTF-8"),
        ("restore {shot} --memory-edit {tmp}/bad.json", "bad.json: not valid JSON: Expecting value in line 1, column 13"),
        ("restore {shot} --memory-edit {tmp}/key.json", "key.json: step 1: unknown key 'slot' (known: action, polarity, granularity, slots, gain, with); did you mean slots?"),
        ("restore {shot} --memory-edit {tmp}/slot.json", "slot.json: step 1, mute: slots 12: this model has 12 part slots, 0 to 11"),
        ("restore {shot} --memory-edit {tmp}/edit.json --no-memory", "not allowed with argument"),
        ("restore {shot} --mask {tmp}/none.png", "none.png could not be read. No such file or directory."),
        ("restore {shot} --mask {tmp}/key.json", "key.json cannot be opened."),
        ("restore {shot} --mask {shot}", "--mask a.png: has colours, need a grey picture"),
        ("restore {shot} --mask {tmp}/small.png", "small.png: 10x30 px, need the photo's 40x30 px"),
        ("restore {shot} {tmp}/small.png --mask {tmp}/small.png", "goes with one photo, 2 were given"),
        ("inspect {shot} --memory-edit {tmp}/slot.json", "this model has 12 part slots"),
        ("inspect {shot} --memory-edit {tmp}/none.json", "No such file"),
        ("inspect {shot} --memory-edit {tmp}/edit.json --no-memory", "not allowed with argument"),
        ("evaluate {pairs} --memory-edit {tmp}/slot.json", "this model has 12 part slots"),
        ("evaluate {pairs} --memory-edit {tmp}/none.json", "No such file"),
        ("evaluate {pairs} --memory-edit {tmp}/edit.json --no-memory", "not allowed with argument"),
        ("evaluate {pairs} --masks {tmp}/none", "--masks {tmp}/none does not exist"),
        ("evaluate {pairs} --masks {shot}", "is not a folder"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shot: Path, model: Path, edit: Path, words: str, expected: str
) -> None:  # fmt: skip
    (tmp_path / "bad.json").write_text('{"version": ')
    (tmp_path / "key.json").write_text('{"version": 1, "steps": [{"action": "mute", "slot": [1]}]}')
    lacking = MemoryEdit((Step("mute", Slots("", "part", (3, 12))),))
    (tmp_path / "slot.json").write_text(lacking.to_json())
    write(tmp_path / "small.png", grey(10))
    places = {"shot": shot, "tmp": tmp_path, "pairs": pairs_in(tmp_path)}
    code, out, err = run(capsys, *words.format(**places).split(), "--model", model)
    assert (code, out) == (2, "")
    assert expected.format(**places) in err
    assert err.count("\n") == 1 and err.startswith("memorynet")
    assert list(shot.parent.iterdir()) == [shot]


def pixels_of(
    capsys: pytest.CaptureFixture[str], shot: Path, model: Path, *words: object
) -> tuple[np.ndarray, dict[str, str]]:
    code, _, err = run(
        capsys, "restore", shot, "--model", model, "--precision", "fp32", "--overwrite", *words
    )
    assert (code, err) == (0, "")
    path = shot.with_name("a.derained.png")
    record = image_io.read_provenance(path)
    assert record is not None
    return image_io.read(path).pixels, record


def test_results_differ_and_say_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shot: Path, model: Path, edit: Path
) -> None:
    mask = write(tmp_path / "mask.png", grey())
    mute = tmp_path / "mute.json"
    mute.write_text(MemoryEdit((Step("mute"),)).to_json())
    plain, record = pixels_of(capsys, shot, model)
    assert (record["memory"], record["mask"]) == ("unchanged", "none")
    without, record = pixels_of(capsys, shot, model, "--no-memory")
    assert record["memory"] == "muted"
    edited, record = pixels_of(capsys, shot, model, "--memory-edit", edit)
    assert record["memory"] == f"edited {SWAP.sha256()[:16]}"
    masked, record = pixels_of(capsys, shot, model, "--mask", mask)
    assert record["memory"] == "unchanged" and len(record["mask"]) == 16
    silent, _ = pixels_of(capsys, shot, model, "--memory-edit", mute)
    assert np.array_equal(silent, without)
    for one, other in ((plain, without), (plain, edited), (edited, without), (plain, masked)):
        assert not np.array_equal(one, other)


def test_resume_tells_edits_and_masks_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shot: Path, model: Path, edit: Path
) -> None:
    mask = write(tmp_path / "mask.png", grey())

    def status(*words: object) -> tuple[str, Any, Any]:
        code, out, _ = run(capsys, "restore", shot, "--model", model, "--resume", "--json", *words)
        assert code == 0
        found = json.loads(out)
        return found["images"][0]["status"], found["memory"], found["mask"]

    edited = f"edited {SWAP.sha256()[:16]}"
    for words, memory, told in (
        ([], "unchanged", None),
        (["--no-memory"], "muted", None),
        (["--memory-edit", edit], edited, None),
        (["--mask", mask], "unchanged", str(mask)),
        (["--mask", mask, "--memory-edit", edit], edited, str(mask)),
        ([], "unchanged", None),
    ):
        assert status(*words) == ("restored", memory, told)
        assert status(*words) == ("skipped", memory, told)
    assert status("--mask", mask)[0] == "restored"
    mask.unlink()
    write(mask, grey()[:, ::-1])
    assert status("--mask", mask)[0] == "restored", "another mask of the same name"


def test_a_model_that_never_saw_a_mask_is_given_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shot: Path
) -> None:
    blind, masks = save_small_model(tmp_path / "blind"), tmp_path / "masks"
    for index in range(2):
        write(masks / f"{index}.png", grey())
    code, out, err = run(capsys, "restore", shot, "--mask", masks / "0.png", "--model", blind)
    assert (code, out) == (2, "")
    assert "model small was trained without masks and cannot use one" in err and err.count("\n") == 1


def test_scores_by_region_need_no_model_that_takes_masks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whoever asks where a model helps has masks; the model itself is not told of them."""
    blind, pairs, masks = save_small_model(tmp_path / "blind"), pairs_in(tmp_path), tmp_path / "masks"
    for index in range(2):
        write(masks / f"{index}.png", grey())
    words = ("evaluate", pairs, "--model", blind, "--device", "cpu", "--precision", "fp32")
    alone = json.loads(run(capsys, *words, "--json")[1])
    code, out, _err = run(capsys, *words, "--masks", masks, "--json")
    found = json.loads(out)
    assert code == 0 and set(found["regions"]) == {"damage", "rest"} and found["told_masks"] is False
    assert found["restored"] == alone["restored"] and alone["regions"] == {}
    assert f"regions by {masks}" in run(capsys, *words, "--masks", masks)[1]


def test_a_photo_that_cannot_be_read_says_so_and_not_the_mask(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    mask = write(tmp_path / "mask.png", grey())
    code, _, err = run(capsys, "restore", tmp_path / "absent.png", "--model", model, "--mask", mask)
    assert code == 1 and "absent.png could not be read" in err and err.count("\n") == 1


# --- inspect -------------------------------------------------------------------------------------


def test_an_edit_shows_after_restoring_and_nowhere_else(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    shot: Path,
    model: Path,
    edit: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures_of_memory, "_SMALLEST_PX", 64)  # quick to draw
    monkeypatch.setattr(pictures_of_memory, "_NARROWEST_PX", 64)

    def inspected(name: str, *words: object) -> tuple[Any, dict[str, bytes], str]:
        folder = tmp_path / name
        given = ("inspect", shot, "--model", model, "--precision", "fp32", "--out", folder, *words)
        code, out, err = run(capsys, *given)
        assert (code, err) == (0, "")
        pictures = {path.name: path.read_bytes() for path in (folder / "a").glob("*.png")}
        return json.loads((folder / "a/inspection.json").read_text()), pictures, out

    plain, pictures, out = inspected("plain")
    assert plain["memory"] == "unchanged" and "restored with its memory" not in out
    edited = f"edited {SWAP.sha256()[:16]}"
    seen = {plain["negative_response"]["after"]["mean"]}
    for words, note in ((["--no-memory"], "muted"), (["--memory-edit", edit], edited)):
        found, changed, out = inspected(note.split()[0], *words)
        assert found["memory"] == note and f"\n    restored with its memory {note}\n" in out
        seen.add(found["negative_response"]["after"]["mean"])
        for key in ("usage", "top_slots", "is_read"):
            assert found[key] == plain[key]
        for health in (found["health_on_this_photo"], plain["health_on_this_photo"]):
            health.pop("silent", None)  # what becomes of a read does follow what is read
        assert found["health_on_this_photo"] == plain["health_on_this_photo"]
        assert found["negative_response"]["before"] == plain["negative_response"]["before"]
        differing = {name for name in pictures if changed[name] != pictures[name]}
        assert differing == {"negative-after.png", "restored.png"}
    assert len(seen) == 3
    given = ("inspect", shot, "--model", model, "--out", tmp_path / "json", "--memory-edit", edit, "--json")
    code, out, _ = run(capsys, *given)
    assert code == 0 and json.loads(out)["memory"] == edited


# --- evaluate ------------------------------------------------------------------------------------


def pairs_in(tmp_path: Path) -> Path:
    folder = tmp_path / "pairs"
    for index in range(2):
        truth = photo(40, 30, index)
        if not (folder / f"rain/{index}.png").exists():
            write(folder / f"rain/{index}.png", np.minimum(truth.astype(int) + 40, 255).astype(np.uint8))
            write(folder / f"norain/{index}.png", truth)
    return folder


def test_scores_with_other_memories_and_masks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, edit: Path
) -> None:
    folder, masks = pairs_in(tmp_path), tmp_path / "masks"
    for index in range(2):
        write(masks / f"{index}.png", grey())

    def scores(*words: object) -> dict[str, Any]:
        code, out, err = run(capsys, "evaluate", folder, "--model", model, "--json", *words)
        assert (code, err) == (0, "")
        found: dict[str, Any] = json.loads(out)
        return found

    plain, without = scores(), scores("--no-memory")
    edited, masked = scores("--memory-edit", edit), scores("--masks", masks)
    assert (plain["memory"], plain["masks"]) == ("unchanged", None)
    assert without["memory"] == "muted" and edited["memory"].startswith("edited ")
    assert masked["masks"] == str(masks)
    assert len({found["restored"]["psnr_db"] for found in (plain, without, edited, masked)}) == 4
    assert len({found["input"]["psnr_db"] for found in (plain, without, edited, masked)}) == 1
    code, out, _ = run(capsys, "evaluate", folder, "--model", model, "--no-memory", "--masks", masks)
    assert code == 0 and "\n  memory muted\n" in out and f"damage is by {masks}\n" in out


def test_inputs_without_a_mask_are_named_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    folder, masks = pairs_in(tmp_path), tmp_path / "masks"
    write(masks / "0.png", grey())
    code, out, err = run(capsys, "evaluate", folder, "--model", model, "--masks", masks)
    assert (code, out) == (1, "")
    assert "no mask for 1 of the inputs" in err and str(folder / "rain/1.png") in err


def test_a_mask_of_another_size_is_a_row(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path
) -> None:
    folder, masks = pairs_in(tmp_path), tmp_path / "masks"
    write(masks / "0.png", grey(20))
    write(masks / "1.png", grey())
    code, out, err = run(capsys, "evaluate", folder, "--model", model, "--masks", masks, "--json")
    found = json.loads(out)
    assert code == 1 and (found["count"], found["failed"]) == (1, 1)
    assert "0.png: 20x30 px, need the photo's 40x30 px" in err
