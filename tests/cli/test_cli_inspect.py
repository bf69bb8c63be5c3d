from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.cli import inspect as cli_inspect
from core.cli import program as cli
from core.data import guidance
from core.images import io as image_io
from core.jobs import JobControl
from core.model import catalog, checkpoint, exemplars
from core.model.network import MemoryNet
from core.restoring import shadow_guess
from core.restoring.memory import inspection
from core.restoring.memory.pictures import PICTURES
from tests.image_makers import without_extras
from tests.small import SMALL, photo, save_small_model, small_network

FILES = sorted([*PICTURES, "restored.png", "inspection.json"])
DRAW = cli_inspect._pictures


@pytest.fixture(autouse=True)
def _blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of a pixel: drawing the real ones takes far longer than all the rest, and tests/restoring/memory looks at them."""
    monkeypatch.setattr(
        cli_inspect, "_pictures", lambda *_: dict.fromkeys(PICTURES, np.zeros((1, 1, 3), np.uint8))
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real pictures."""
    monkeypatch.setattr(cli_inspect, "_pictures", DRAW)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_small_model(tmp_path / "small")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for index, name in enumerate(("a.png", "b.png")):
        write(folder / name, photo(40, 30 + index, index))
    return folder


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image_io.write(path, image_io.from_array(pixels))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main(["inspect", *(str(word) for word in words)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("drawn")
def test_pictures_and_numbers_go_to_a_folder_of_their_own(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    out_dir = tmp_path / "seen"
    code, out, err = run(capsys, photos / "a.png", photos / "b.png", "--model", model, "--out", out_dir)
    assert (code, err) == (0, "")
    assert names(out_dir) == ["a", "b"] and names(out_dir / "a") == names(out_dir / "b") == FILES
    for name in PICTURES:
        assert image_io.read_info(out_dir / "a" / name).width >= 600
    numbers = json.loads((out_dir / "a/inspection.json").read_text())
    assert numbers["software"] == "MemoryNet" and set(numbers["versions"]) == {"memorynet", "torch", "python"}
    assert numbers["model_sha256"] == checkpoint.load(model).sha256
    assert (numbers["width"], numbers["height"], numbers["grid"]) == (
        40, 30, {"columns": 5, "rows": 4, "cell_px": 8},
    )  # fmt: skip
    before, after = (numbers["negative_response"][side] for side in ("before", "after"))
    assert 0 <= after["area"] <= 1 and 0 < before["mean"] < 1
    assert len(numbers["usage"]["negative"]["part"]) == 12
    assert numbers["health_on_this_photo"]["slots"] == 42 and len(numbers["top_slots"]) > 6
    assert "looks like damage:" in out and "2 photos in" in out
    assert "Health of the memory over these 2 photos" in out
    assert out.count("negative  semantic") == 2
    assert "show no learned samples" in out and "samples.safetensors" in out


def test_without_a_place_they_go_beside_the_photo(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path
) -> None:
    assert run(capsys, photos / "a.png", "--model", model)[0] == 0
    assert names(photos) == ["a.inspected", "a.png", "b.png"]
    assert names(photos / "a.inspected") == FILES


def test_a_folder_is_its_photos(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    code, out, _ = run(capsys, photos, photos / "a.png", "--model", model, "--out", tmp_path / "x", "--json")
    found = json.loads(out)
    assert code == 0 and [Path(row["input"]).name for row in found["images"]] == ["a.png", "b.png"]
    (tmp_path / "none").mkdir()
    code, _, err = run(capsys, tmp_path / "none", "--model", model)
    assert code == 1 and "no photos" in err


def test_pictures_that_cannot_be_read_are_named_and_count_as_no_failure(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_extras(monkeypatch)
    heic, gif = photos / "c.heic", photos / "d.gif"
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    gif.write_bytes(b"GIF89a" + bytes(20))
    (photos / "notes.txt").write_text("rain")
    words = ("--model", model, "--out", tmp_path / "x", "--overwrite")
    code, out, err = run(capsys, photos, *words)
    assert code == 0 and "2 photos in" in out and "heic" not in out
    remedy = "HEIC opens once python -m pip install pillow-heif has been run."
    assert err == f"2 files are pictures MemoryNet cannot read: c.heic (HEIC), d.gif (GIF). {remedy}\n"
    (photos / "a.png").unlink()
    code, out, err = run(capsys, heic, photos, *words, "--json")
    found = json.loads(out)
    assert (code, found["count"], found["failed"]) == (1, 2, 1), "given by name it is a photo that fails"
    assert found["passed_over"] == [{"input": str(gif), "kind": "GIF"}]
    assert err.endswith("1 file is a picture MemoryNet cannot read: d.gif (GIF).\n")


def test_json_is_all_there_is_on_stdout(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    code, out, err = run(capsys, photos, "--model", model, "--out", tmp_path / "x", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["count"], found["inspected"], found["failed"], found["stopped"]) == (2, 2, 0, False)
    assert found["model"] == "small" and found["health"]["slots"] == 42
    usage = [np.concatenate([np.ravel(row["usage"][p][g]) for p in ("positive", "negative") for g in row["usage"][p]])
             for row in found["images"]]  # fmt: skip
    dead = sum(len(group["dead"]) for group in found["health"]["groups"])
    assert dead <= sum(np.mean(usage, 0) < 0.01 / 3)  # over both photos, not over one
    silent = [image["health_on_this_photo"]["silent"] for image in found["images"]]
    assert 0 <= found["health"]["silent"] <= min(silent) < 1
    one = json.loads((tmp_path / "x/b/inspection.json").read_text())
    assert {key: one[key] for key in found["images"][1] if key in one and key != "input"} == {
        key: found["images"][1][key] for key in one if key in found["images"][1] and key != "input"
    }
    assert found["images"][1]["files"] == [*PICTURES, "restored.png", "inspection.json"]


def test_one_bad_file_never_stops_the_rest(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    (photos / "empty.png").write_bytes(b"")
    (photos / "cut.png").write_bytes((photos / "a.png").read_bytes()[:200])
    out_dir = tmp_path / "x"
    words = (photos / "absent.png", photos, "--model", model, "--out", out_dir, "--json")
    code, out, err = run(capsys, *words)
    found = json.loads(out)
    assert code == 1 and (found["count"], found["inspected"], found["failed"]) == (5, 2, 3)
    for row in found["images"]:
        name = Path(row["input"]).name
        if name in ("a.png", "b.png"):
            assert row["status"] == "inspected" and row["error"] is None
        else:
            assert row["status"] == "failed" and name in row["error"] and row["output"] is None
            assert row["error"] in err
    assert err.count("\n") == 3
    assert names(out_dir) == ["a", "b"]


def test_nothing_is_replaced_without_being_told(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    out_dir = tmp_path / "x"
    (out_dir / "a").mkdir(parents=True)
    mine = out_dir / "a/contact-sheet.png"
    mine.write_bytes(b"mine")
    words = (photos / "a.png", photos / "b.png", "--model", model, "--out", out_dir)
    code, _, err = run(capsys, *words)
    assert code == 1 and "contact-sheet.png was not written" in err and "--overwrite" in err
    assert names(out_dir / "a") == ["contact-sheet.png"] and mine.read_bytes() == b"mine"
    assert names(out_dir / "b") == FILES
    (out_dir / "a/notes.txt").write_text("stay")
    assert run(capsys, *words, "--overwrite")[0] == 0
    assert names(out_dir / "a") == sorted([*FILES, "notes.txt"]) and mine.read_bytes() != b"mine"


def test_a_photo_is_never_replaced(capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    source = tmp_path / "contact-sheet/contact-sheet.png"
    write(source, photo(16, 16))
    before = source.read_bytes()
    code, _, err = run(capsys, source, "--model", model, "--out", tmp_path, "--overwrite")
    assert code == 1 and "was not written" in err and "--overwrite" not in err
    assert source.read_bytes() == before and names(source.parent) == ["contact-sheet.png"]


def test_photos_of_one_name_get_folders_of_their_own(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    more, out_dir = tmp_path / "more", tmp_path / "x"
    for path in (photos / "a.bmp", photos / "a-2.png", more / "A.png"):
        write(path, photo(20, 20))
    (photos / "b.png").unlink()
    words = (photos, more, "--model", model, "--out", out_dir, "--json")
    expected = {"a.bmp": "a", "a.png": "a-3", "a-2.png": "a-2", "A.png": "A-4"}

    def folders() -> dict[str, str]:
        code, out, err = run(capsys, *words, "--overwrite")
        assert (code, err) == (0, "")
        rows = json.loads(out)["images"]
        for row in rows:
            assert json.loads((Path(row["output"]) / "inspection.json").read_text())["input"] == row["input"]
        return {Path(row["input"]).name: Path(row["output"]).name for row in rows}

    assert folders() == expected and names(out_dir) == sorted(expected.values())
    assert folders() == expected, "what is there already moves nobody"
    code, _, err = run(capsys, *words)
    assert code == 1 and err.count("--overwrite") == 4
    assert names(out_dir) == sorted(expected.values())


def test_photos_of_one_name_side_by_side(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path
) -> None:
    write(photos / "a.bmp", photo(20, 20))
    assert run(capsys, photos / "a.png", photos / "a.bmp", "--model", model)[0] == 0
    assert {"a.inspected", "a-2.inspected"} < set(names(photos))
    record = json.loads((photos / "a-2.inspected/inspection.json").read_text())
    assert Path(record["input"]).name == "a.bmp", "numbered in the order they are named in"


def test_a_mask_goes_with_one_photo(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    mask = np.zeros((30, 40, 3), np.uint8)
    mask[:, :20] = 255
    write(tmp_path / "mask.png", mask)
    write(tmp_path / "colour.png", photo(40, 30))
    told = checkpoint.save(
        tmp_path / "told", small_network(), name="told", task="derain", provenance={"guidance": True}
    )
    words = ("--model", told, "--mask")
    out_dir = tmp_path / "x"
    code, out, _ = run(capsys, photos / "a.png", "--out", out_dir, "--json", *words, tmp_path / "mask.png")
    assert code == 0 and json.loads(out)["images"][0]["mask"] != "none"
    code, out, err = run(capsys, photos / "b.png", *words, tmp_path / "mask.png")
    assert code == 1 and "40x30 px, need the photo's 40x31 px" in err
    for expected, given in (("goes with one photo, 2", (photos,)), ("has colours", (photos / "a.png",))):
        path = tmp_path / ("colour.png" if "colours" in expected else "mask.png")
        code, out, err = run(capsys, *given, *words, path)
        assert (code, out) == (2, "") and expected in err and err.count("\n") == 1
    assert run(capsys, photos / "a.png", *words, tmp_path / "none.png")[0] == 2
    code, _, err = run(capsys, photos / "a.png", "--model", model, "--mask", tmp_path / "mask.png")
    assert code == 2 and "trained without masks" in err


def test_where_a_shadow_lies_is_guessed_as_restoring_does(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = np.zeros((31, 40), np.uint8)
    mask[:, :20] = 255
    monkeypatch.setattr(shadow_guess, "guess", lambda *_seen: guidance.Guess(mask, 0.5))
    told = checkpoint.save(
        tmp_path / "told", small_network(), name="told", task="deshadow", provenance={"guidance": True}
    )
    words = (photos / "b.png", "--model", told, "--place", "10,10", "--overwrite", "--json")
    code, out, _ = run(capsys, *words, "--out", tmp_path / "guessed")
    (guessed,) = json.loads(out)["images"]
    assert code == 0 and guessed["mask"] == "auto" and any("shadow over" in n for n in guessed["notes"])
    write(tmp_path / "mask.png", np.repeat(mask[..., None], 3, -1))
    code, out, _ = run(capsys, *words, "--out", tmp_path / "given", "--mask", tmp_path / "mask.png")
    (given,) = json.loads(out)["images"]
    assert code == 0 and given["places"][0] == guessed["places"][0]
    code, out, _ = run(capsys, *words, "--out", tmp_path / "blind", "--mask", "none")
    (blind,) = json.loads(out)["images"]
    assert code == 0 and blind["mask"] == "none" and blind["places"][0] != guessed["places"][0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "required: IMAGE"),
        ("a.png --out {root}/pyproject.toml", "is a file, need a folder"),
        ("a.png --model no-such-model", "no model 'no-such-model'"),
        ("a.png --tile 3", "need 64 to 65536 px"),
        ("a.png --jsno", "did you mean --json?"),
    ],
)
def test_bad_arguments_are_one_clear_line(
    capsys: pytest.CaptureFixture[str], words: str, expected: str
) -> None:
    root = catalog.RESOURCES.parent
    code, out, err = run(capsys, *words.format(root=root).split())
    assert (code, out) == (2, "") and expected in err and err.count("\n") == 1


def test_a_model_without_a_memory_is_a_bad_argument(
    capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path
) -> None:
    network = MemoryNet(replace(SMALL, granularities=(), polarities=()))
    path = checkpoint.save(tmp_path / "plain", network, name="plain", task="derain", provenance={})
    code, out, err = run(capsys, photos / "a.png", "--model", path)
    assert (code, out) == (2, "") and "plain has no memory to inspect" in err


def test_learned_samples_are_named(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    weights = model / checkpoint.WEIGHTS_FILE
    memory = exemplars.SampleMemory(8, weights_sha256=checkpoint.file_sha256(weights))
    rng = np.random.default_rng(0)
    for kind in ("positive", "degraded"):
        memory.add(
            kind,
            torch.from_numpy(rng.normal(size=(6, 8)).astype(np.float32)),
            rng.integers(0, 255, (6, 32, 32, 3), dtype=np.uint8),
            f"{kind}.jpg",
            rng.integers(0, 99, (6, 2)),
        )
    exemplars.save(memory, model)
    code, out, _ = run(capsys, photos / "a.png", "--model", model, "--out", tmp_path / "x", "--json")
    found = json.loads(out)
    assert code == 0 and found["without_samples"] is None
    for top in found["images"][0]["top_slots"]:
        near = top["nearest_samples"]
        expected = "positive.jpg" if top["polarity"] == "positive" else "degraded.jpg"
        assert len(near) == 4 and {sample["source"] for sample in near} == {expected}
        assert [s["similarity"] for s in near] == sorted((s["similarity"] for s in near), reverse=True)
    (model / exemplars.SAMPLES_FILE).write_bytes(b"damaged")
    code, out, _ = run(capsys, photos / "b.png", "--model", model, "--out", tmp_path / "x", "--json")
    assert code == 0 and json.loads(out)["without_samples"]


def test_stopping_keeps_what_is_finished(
    capsys: pytest.CaptureFixture[str],
    photos: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = inspection.inspect
    seen: list[JobControl] = []

    def second_is_stopped(*args: object) -> object:
        control = args[3]
        assert isinstance(control, JobControl)
        seen.append(control)
        if len(seen) == 2:
            control.cancel()
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(inspection, "inspect", second_is_stopped)
    code, out, err = run(capsys, photos, "--model", model, "--out", tmp_path / "x", "--json")
    found = json.loads(out)
    assert code == 130 and found["stopped"] and found["inspected"] == 1
    assert "Stopped: 1 of 2" in err and names(tmp_path / "x") == ["a"]


def test_a_run_goes_on_where_it_stopped(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    out_dir = tmp_path / "x"
    words = (photos, "--model", model, "--out", out_dir, "--resume", "--json")
    first = json.loads(run(capsys, *words)[1])
    assert (first["inspected"], first["skipped"]) == (2, 0)
    begun = out_dir / "b"
    (begun / "restored.png").unlink()  # as a run that was killed leaves it
    whole = {path: path.stat().st_mtime_ns for path in (out_dir / "a").iterdir()}
    again = json.loads(run(capsys, *words)[1])
    assert (again["inspected"], again["skipped"]) == (1, 1) and names(begun) == FILES
    assert {path: path.stat().st_mtime_ns for path in (out_dir / "a").iterdir()} == whole
    health = ("slots", "dead", "entropy")
    assert [again["health"][key] for key in health] == pytest.approx([first["health"][key] for key in health])
    assert again["images"][0]["usage"] == first["images"][0]["usage"]

    other = json.loads(run(capsys, *words, "--place", "8,8")[1])  # asks for more
    assert (other["inspected"], other["skipped"]) == (2, 0) and (out_dir / "a/place-8-8.png").exists()
    code, out, _ = run(capsys, photos, "--model", model, "--out", out_dir, "--resume", "--place", "8,8")
    assert code == 0 and out.count("done already") == 2


@pytest.mark.parametrize(
    "record", [b"", b"[" * 100_000, b'{"software": "other"}', b'{"software": "MemoryNet", "files": 3}']
)
def test_going_on_replaces_nothing_of_others(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path, record: bytes
) -> None:
    folder = tmp_path / "x/a"
    folder.mkdir(parents=True)
    (folder / "contact-sheet.png").write_bytes(b"mine")
    (folder / "inspection.json").write_bytes(record)
    code, _, err = run(capsys, photos / "a.png", "--model", model, "--out", tmp_path / "x", "--resume")
    assert code == 1 and "was not written" in err
    assert (folder / "contact-sheet.png").read_bytes() == b"mine"
    assert (folder / "inspection.json").read_bytes() == record


def test_a_place_is_told_in_full(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "seen"
    words = (photos / "a.png", "--model", model, "--out", folder, "--place", "20,12", "--effects")
    code, out, _err = run(capsys, *words)
    assert code == 0 and "place 20,12" in out and " levels)" in out
    top = json.loads((folder / "a/inspection.json").read_text("utf-8"))["top_slots"]
    effects = [slot["effect_of_muting"]["mean_levels"] for slot in top]
    assert max(effects) > 0 and len(effects) == len(top)
    (place,) = json.loads((folder / "a/inspection.json").read_text("utf-8"))["places"]
    assert (place["column"], place["row"]) == (2, 1) and (folder / "a/place-20-12.png").is_file()
    assert place["read"]["learned_share"] + place["read"]["actual_share"] == pytest.approx(1, abs=1e-3)
    assert sum(slot["weight"] for slot in place["slots"]) == pytest.approx(
        6, abs=1e-3
    )  # 1 in each of six groups
    assert place["effect_of_memory"]["mean_levels"] > 0 and place["sources"]["positive"]["places"]


def test_places_are_told_in_pixels_of_the_photo_whatever_its_scale(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    words = (photos / "a.png", "--model", model, "--out", tmp_path, "--place", "20,12", "--scale", "1/2")
    code, out, _err = run(capsys, *words)
    assert code == 0
    (place,) = json.loads((tmp_path / "a/inspection.json").read_text("utf-8"))["places"]
    first = place["sources"]["positive"]["places"][0]
    assert place["asked_px"] == [20, 12] and place["x_px"] == 8, "of the copy"
    assert f"most from {2 * first['x_px']},{2 * first['y_px']}," in out


def test_the_restored_photo_and_on_request_the_maps_are_written(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "seen"
    assert run(capsys, photos / "a.png", "--model", model, "--out", folder, "--maps", "--scale", "1")[0] == 0
    code = cli.main(
        ["restore", str(photos / "a.png"), "--model", str(model), "--out", str(tmp_path), "--scale", "1"]
    )
    assert code == 0
    restored = image_io.read(tmp_path / "a.derained.png").pixels
    assert np.array_equal(image_io.read(folder / "a/restored.png").pixels, restored)
    maps = json.loads((folder / "a/inspection.json").read_text("utf-8"))["maps"]
    assert np.shape(maps["negative_response"]["before"]) == (4, 5)
    found = maps["slots"]["positive part"]
    assert np.shape(found["slots"]) == np.shape(found["weights"]) and np.shape(found["slots"])[1:] == (4, 5)
    assert (np.sum(found["weights"], 0) <= 1.001).all()


def test_a_place_outside_says_so(capsys: pytest.CaptureFixture[str], photos: Path, model: Path) -> None:
    code, _out, err = run(capsys, photos / "a.png", "--model", model, "--place", "9000,12")
    assert code == 1 and "the photo has" in err
    code, _out, err = run(capsys, photos / "a.png", "--model", model, "--place", "12")
    assert code == 2 and "need whole numbers X,Y" in err


def test_usage_is_told_over_all_photos_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], photos: Path, model: Path
) -> None:
    before = sorted(photos.rglob("*"))
    code, out, _err = run(capsys, photos, "--model", model, "--usage", "--json")
    found = json.loads(out)
    assert code == 0 and found["photos"] == 2 and sorted(photos.rglob("*")) == before
    for polarity in ("positive", "negative"):
        for usage in found["usage"][polarity].values():
            assert sum(usage) == pytest.approx(1, abs=1e-3)
        assert max(found["used_in"][polarity]["part"]) == 2
    code, out, _err = run(capsys, photos, "--model", model, "--usage")
    assert code == 0 and "over 2 photos" in out and "stayed silent" in out
    (photos / "bad.png").write_bytes(b"nothing")
    code, out, err = run(capsys, photos, "--model", model, "--usage")
    assert code == 1 and "bad.png" in err and "over 2 photos" in out
    code, _out, err = run(capsys, photos, "--model", model, "--usage", "--place", "1,1")
    assert code == 2 and "leave out --place" in err
