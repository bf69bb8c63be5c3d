"""The library of runs: found in every state, also damaged; new folders, notes, clones, trash, differences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import filelock
import pytest

from core.cli import program as cli
from core.model import catalog
from core.training import run_folder, runs
from core.training.recipe import RecipeError, TrainRecipe
from core.training.run_folder import (
    DONE,
    INTERRUPTED,
    PAUSED,
    RUNNING,
    STOPPED,
    RunBusy,
    RunFolder,
    RunState,
)

RECIPE = TrainRecipe(name="mine", steps=100)


def make_run(
    folder: Path,
    recipe: TrainRecipe = RECIPE,
    state: RunState | None = None,
    curve: list[dict[str, Any]] | None = None,
) -> Path:
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    run.recipe_file.write_text(recipe.to_toml(), encoding="utf-8")
    if state is not None:  # not write_state, which sets the time
        run.state_file.write_text(json.dumps(asdict(state)), encoding="utf-8")
    if curve is not None:
        run.curve_file.write_text("".join(json.dumps(line) + "\n" for line in curve), encoding="utf-8")
    return folder


def step(number: int) -> dict[str, Any]:
    return {"kind": "step", "step": number, "loss": 0.1}


def validation(number: int, psnr_db: float, **more: Any) -> dict[str, Any]:
    return {"kind": "validation", "step": number, "psnr_db": psnr_db, "ssim": 0.9, "is_best": True, **more}


# --- finding ---------------------------------------------------------------------------------------


def test_default_folder_lies_beside_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs.default_folder() == catalog.user_models_dir().parent / "runs"
    assert runs.find(runs.default_folder()) == ()
    monkeypatch.setenv(catalog.HOME_VARIABLE, str(tmp_path / "own"))
    assert runs.default_folder() == tmp_path / "own" / "data" / "runs"


def test_runs_are_found_newest_first_and_nothing_else_is(tmp_path: Path) -> None:
    make_run(tmp_path / "old", state=RunState(DONE, 100, 100, 31.5, 80, updated=1000.0))
    make_run(tmp_path / "new", state=RunState(STOPPED, 40, 100, updated=2000.0))
    (tmp_path / "photos").mkdir()
    (tmp_path / "notes.txt").write_text("no run")
    make_run(tmp_path / ".hidden")
    found = runs.find(tmp_path)
    assert [run.name for run in found] == ["new", "old"]
    assert found[0].best_psnr_db is None
    assert found[1].best_psnr_db == 31.5
    assert [run.error for run in found] == [None, None]
    assert found[1].recipe == RECIPE
    assert [run.name for run in runs.find(tmp_path / "old")] == ["old"]  # a run is the library of itself
    assert runs.find(tmp_path / "absent") == ()


def test_size_model_and_notes(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", state=RunState(DONE, 100, 100))
    assert runs.read(folder).model is None
    before = runs.read(folder).size_bytes
    (folder / "model").mkdir()
    (folder / "model" / catalog.WEIGHTS_NAME).write_bytes(b"x" * 1000)
    (folder / "film").mkdir()
    (folder / "film" / "a.webp").write_bytes(b"x" * 500)
    assert runs.read(folder).size_bytes == before + 1500
    assert runs.read(folder).model == folder / "model"
    runs.set_notes(folder, "  with mist\nseed 2 ")
    assert runs.read(folder).notes == "with mist\nseed 2"
    runs.set_notes(folder, " \n")
    assert runs.read(folder).notes == ""
    assert not (folder / "notes.txt").exists()
    with pytest.raises(runs.NotARun, match="photos"):
        runs.set_notes(tmp_path / "photos", "x")


def test_an_unfinished_run_is_running_while_locked_and_interrupted_after(tmp_path: Path) -> None:
    for kind in (RUNNING, PAUSED):
        folder = make_run(tmp_path / kind, state=RunState(kind, 40, 100))
        with RunFolder(folder).locked():
            state = runs.read(folder).state
            assert state is not None
            assert state.state == kind
        state = runs.read(folder).state
        assert state is not None
        assert state.state == INTERRUPTED


def test_who_only_asks_for_the_lock_is_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "_ASKING_S", 30.0)
    monkeypatch.setattr(run_folder, "_BEGINNING_S", 30.0)
    run = RunFolder(make_run(tmp_path / "a"))

    def held_for_a_moment() -> threading.Thread:
        holds = threading.Event()

        def ask() -> None:
            with filelock.FileLock(run.lock_file, is_singleton=False):
                holds.set()
                time.sleep(0.05)

        asker = threading.Thread(target=ask)
        asker.start()
        assert holds.wait(60)
        return asker

    asker = held_for_a_moment()
    assert not run.is_locked()
    asker.join()
    asker = held_for_a_moment()
    with run.locked():  # raises no RunBusy
        monkeypatch.setattr(run_folder, "_ASKING_S", 0.03)
        assert run.is_locked()
    asker.join()


def test_runs_of_before_there_was_a_state(tmp_path: Path) -> None:
    curve = [step(10), validation(10, 30.0), step(20), validation(20, 29.0, psnr_guided_db=33.0), step(25)]
    folder = make_run(tmp_path / "a", curve=curve)
    state = runs.read(folder).state
    assert state is not None
    assert (state.state, state.step, state.steps, state.best_psnr_db, state.best_step) == (
        INTERRUPTED, 25, 100, 31.0, 20,  # where there are masks the mean decides
    )  # fmt: skip
    assert state.updated == pytest.approx((folder / "curve.jsonl").stat().st_mtime)
    with RunFolder(folder).locked():
        locked = runs.read(folder).state
        assert locked is not None
        assert locked.state == RUNNING
    done = make_run(tmp_path / "b", curve=[step(100), validation(100, 31.25)])
    state = runs.read(done).state
    assert state is not None
    assert (state.state, state.best_psnr_db) == (DONE, 31.25)
    fresh = runs.read(make_run(tmp_path / "c"))
    assert fresh.error is None
    assert fresh.state is not None
    assert (fresh.state.state, fresh.state.step) == (INTERRUPTED, 0)
    # killed before the state learned of the score
    late = runs.read(make_run(tmp_path / "d", state=RunState(DONE, 10, 100), curve=curve))
    assert late.best_psnr_db == 31.0
    assert late.state is not None
    assert late.state.step == 10


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("recipe.toml", "[run]\nname = 3\n", "name 3: need"),
        ("recipe.toml", "[run\n", "not valid TOML"),
        ("recipe.toml", b"\xff\xfe\x00", "not a text file"),
        ("recipe.toml", None, "recipe.toml is missing."),
        ("state.json", "{", "state.json"),
        ("state.json", "[1]", "expected an object, found list"),
        ("state.json", "[" * 100_000, "brackets too deep"),
        ("curve.jsonl", "[" * 100_000 + "\n", "cannot be read in 1 line"),
        ("recipe.toml", "x = " + "[" * 100_000, "brackets too deep"),
        ("recipe.toml", ".".join("a" * 20_000) + " = 1", "a key of more than"),
        ("state.json", "{}", "missing 3 required"),
        ("state.json", '{"state": "asleep", "step": 1, "steps": 2}', "state is 'asleep', need one of running,"),
        ("state.json", '{"state": [], "step": 1, "steps": 2}', "state is []"),
        ("state.json", '{"state": "done", "step": "many", "steps": 2}', "step is 'many', need int"),
        ("state.json", '{"state": "done", "step": -1, "steps": 2}', "step is -1"),
        ("state.json", '{"state": "done", "step": 1, "steps": 2, "best_psnr_db": NaN}', "best_psnr_db is nan"),
        ("state.json", '{"state": "done", "step": 1, "steps": 2, "data": [1]}', "data is (1,)"),
        ("curve.jsonl", b"\xff\xff\n", "curve.jsonl cannot be read"),
        ("curve.jsonl", "5\n", "curve.jsonl cannot be read in 1 line"),
        ("curve.jsonl", '{"kind": "step"}\n{"step": 4}\n', "cannot be read in 2 lines"),
    ],
)  # fmt: skip
def test_damaged_runs_are_listed_with_what_is_wrong(
    tmp_path: Path, file: str, content: str | bytes | None, said: str
) -> None:
    whole = make_run(tmp_path / "whole", curve=[step(10)])
    broken = make_run(tmp_path / "broken", curve=[step(10)])
    if content is None:
        (broken / file).unlink()
    elif isinstance(content, bytes):
        (broken / file).write_bytes(content)
    else:
        (broken / file).write_text(content)
    found = {run.name: run for run in runs.find(tmp_path)}
    assert found["whole"].error is None
    error = found["broken"].error
    assert error is not None
    assert said in error
    assert "Something went wrong that should not have" not in error
    assert "\n" not in error
    assert found["broken"].size_bytes > 0
    assert whole.is_dir()
    if file == "recipe.toml":
        assert found["broken"].recipe is None
        assert found["broken"].state is not None  # the curve still tells
    if file == "state.json":
        state = found["broken"].state
        assert state is not None
        assert state.step == 10


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_that_may_not_be_read_spoils_no_list(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    closed = make_run(tmp_path / "b")
    closed.chmod(0)
    try:
        assert [run.name for run in runs.find(tmp_path)] == ["a"]
    finally:
        closed.chmod(0o755)


def test_no_torch() -> None:
    code = "import sys, core.training.runs, core.training.run_folder, core.places, core.extras\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=120)


# --- new ones, clones ------------------------------------------------------------------------------


def test_a_new_folder_never_is_an_existing_one(tmp_path: Path) -> None:
    library = tmp_path / "not" / "yet"
    assert runs.free_folder(library, "rain") == library / "rain"
    assert not library.exists()
    made = [runs.new_folder(library, "rain") for _ in range(3)]
    assert [folder.name for folder in made] == ["rain", "rain-2", "rain-3"]
    assert all(folder.is_dir() for folder in made)
    (library / "file").write_text("")
    (library / "link").symlink_to(library / "nowhere")
    assert runs.new_folder(library, "file").name == "file-2"
    assert runs.new_folder(library, "link").name == "link-2"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b", "a-b"), ("..", "run"), ("", "run"), ("a:b?", "a-b-"), (" x. ", "x"), ("ä ö", "ä ö"), ("y" * 300, "y" * 80),
     ("Con", "run-Con"), ("aux.rain", "run-aux.rain"), ("console", "console"), ("\N{CAT}" * 99, "\N{CAT}" * 60)],
)  # fmt: skip
def test_names_fit_a_disk(tmp_path: Path, name: str, expected: str) -> None:
    assert runs.new_folder(tmp_path, name) == tmp_path / expected


def test_a_clone_has_a_name_of_its_own(tmp_path: Path) -> None:
    first = make_run(tmp_path / "mine")
    assert runs.clone(first) == replace(RECIPE, name="mine-2")
    make_run(tmp_path / "mine-2")  # by its folder
    make_run(tmp_path / "other", replace(RECIPE, name="mine-3"))  # by its recipe
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "recipe.toml").write_text("[")
    assert runs.clone(first).name == "mine-4"
    assert runs.clone(tmp_path / "other").name == "mine-4"
    with pytest.raises(RecipeError):
        runs.clone(tmp_path / "broken")


# --- trash -----------------------------------------------------------------------------------------


@pytest.fixture
def trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """send2trash reads the person's folders when it is imported: its trash is put where this test's home is."""
    if not sys.platform.startswith("linux"):
        pytest.skip("looks into the trash of the freedesktop specification")
    from send2trash import plat_other

    data = tmp_path / "home" / "share"
    monkeypatch.setattr(plat_other, "XDG_DATA_HOME", os.fsencode(data))
    monkeypatch.setattr(plat_other, "HOMETRASH_B", os.fsencode(data / "Trash"))
    monkeypatch.setattr("send2trash.send2trash", plat_other.send2trash)
    monkeypatch.setenv("XDG_DATA_HOME", str(data))
    return data / "Trash"


def test_a_run_goes_to_the_trash_whole(tmp_path: Path, trash: Path) -> None:
    folder = make_run(tmp_path / "runs" / "a", curve=[step(1)])
    runs.move_to_trash(folder)
    assert not folder.exists()
    assert (trash / "files" / "a" / "recipe.toml").is_file()
    assert f"{tmp_path}/runs/a" in (trash / "info" / "a.trashinfo").read_text()


def test_a_run_comes_back_from_the_trash(tmp_path: Path, trash: Path) -> None:
    folder = make_run(tmp_path / "runs" / "a b%20c", curve=[step(1)])
    names = sorted(path.name for path in folder.iterdir())
    first = runs.move_to_trash(folder)
    assert first is not None and not folder.exists()
    first.take_back()
    assert sorted(path.name for path in folder.iterdir()) == names and not list(trash.rglob("*.trashinfo"))
    second = runs.move_to_trash(folder)
    assert second is not None
    folder.mkdir()
    with pytest.raises(FileExistsError, match="of that name again"):
        second.take_back()
    folder.rmdir()
    second.take_back()
    assert folder.is_dir()


def test_what_may_not_be_removed_stays(tmp_path: Path, trash: Path) -> None:
    folder = make_run(tmp_path / "a")
    for remove in (runs.move_to_trash, runs.delete_for_good):
        with RunFolder(folder).locked(), pytest.raises(RunBusy, match="training"):
            remove(folder)
        (tmp_path / "photos").mkdir(exist_ok=True)
        with pytest.raises(runs.NotARun):
            remove(tmp_path / "photos")
        with pytest.raises(runs.NotARun):
            remove(tmp_path / "absent")
    assert (tmp_path / "photos").is_dir()
    assert (folder / "recipe.toml").is_file()


def test_without_a_trash_it_says_so_and_deleting_is_a_choice_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_path: str) -> None:
        raise OSError(18, "no trash on this volume")

    monkeypatch.setattr("send2trash.send2trash", none)
    folder = make_run(tmp_path / "a")
    with pytest.raises(runs.NoTrash, match="a: no trash on this volume"):
        runs.move_to_trash(folder)
    assert runs.is_run(folder)
    runs.delete_for_good(folder)
    assert not folder.exists()


# --- differences -----------------------------------------------------------------------------------


def test_differences_by_title() -> None:
    first = replace(RECIPE, degradation={"mist": 0.2, "length_px": [1, 2]})
    second = replace(
        first, name="other", lr=5e-4, train=("DATA/more",), degradation={"mist": 0.3, "length_px": [1, 2]}
    )
    third = replace(first, degradation={})
    found = runs.differences((first, second, third))
    assert [(item.section, item.key, item.title, item.values) for item in found] == [
        ("data", "train", "Training folders", (("DATA/clean",), ("DATA/more",), ("DATA/clean",))),
        ("training", "lr", "Learning rate", (1e-3, 5e-4, 1e-3)),
        ("degradation", "mist", "Mist", (0.2, 0.3, None)),
        ("degradation", "length_px", "Length px", ([1, 2], [1, 2], None)),
    ]  # fmt: skip
    assert runs.differences((first, replace(first, name="x"))) == ()
    assert runs.differences(()) == ()


# --- the command -----------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main(["runs", *map(str, words)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(catalog.HOME_VARIABLE, str(tmp_path))
    library = runs.default_folder()
    code, out, _ = run(capsys)
    assert (code, out) == (0, f"No runs in {library}.\n")
    make_run(library / "good", state=RunState(DONE, 100, 100, 31.456, 80, updated=1000.0))
    long = "a-name-that-is-much-longer-than-any-column-would-like-it-to-be-" + "x" * 60
    make_run(library / long, curve=[step(25)])
    make_run(library / "[red]bad").joinpath("recipe.toml").write_text("[run]\nname = 3\n")
    code, out, err = run(capsys)
    assert code == 0
    line = next(line for line in out.splitlines() if line.split()[:1] == ["good"])
    assert line.split() == ["good", "done", "derain", "100", "/", "100", "31.46", *line.split()[7:]]
    assert long in out
    assert "[red]bad" in out
    assert "[red]bad: The recipe cannot be used. recipe.toml: name 3: need" in err
    code, out, _ = run(capsys, library, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["folder"] == str(library)
    by_name = {entry["name"]: entry for entry in found["runs"]}
    assert by_name["good"]["state"]["best_psnr_db"] == 31.456
    assert by_name["good"]["recipe"]["training"]["steps"] == 100
    assert by_name["[red]bad"]["error"]
    assert by_name[long]["state"]["state"] == "interrupted"


def test_diff_and_trash(tmp_path: Path, capsys: pytest.CaptureFixture[str], trash: Path) -> None:
    first = make_run(tmp_path / "lib" / "first")
    make_run(tmp_path / "lib" / "second", replace(RECIPE, lr=5e-4, pairs=("x",), kind="mixed"))
    code, out, _ = run(capsys, "diff", "first", "second", "--library", tmp_path / "lib")
    assert code == 0
    lines = [line.split(maxsplit=2) for line in out.splitlines()]
    assert out.splitlines()[0].split() == ["first", "->", "second"]
    assert "Learning rate     0.001 -> 0.0005" in out
    assert "Folders of pairs  none -> x" in out
    assert len(lines) == 4
    code, out, _ = run(capsys, "diff", first, first)
    assert out == "The recipes of first and first are the same.\n"
    code, out, _ = run(capsys, "diff", first, tmp_path / "lib" / "second", "--json")
    assert {item["key"] for item in json.loads(out)["differences"]} == {"kind", "pairs", "lr"}
    code, out, _ = run(capsys, "trash", "first", "--library", tmp_path / "lib")
    assert code == 0
    assert not first.exists()
    assert (trash / "files" / "first").is_dir()
    with RunFolder(tmp_path / "lib" / "second").locked():
        code, _, err = run(capsys, "trash", tmp_path / "lib" / "second")
    assert code == 1
    assert "training" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent-folder"], "absent-folder: no such folder"),
        (["diff", "a"], "diff: need two runs, got 1"),
        (["diff", "a", "b"], "a: no run of that name"),
        (["trash"], "trash: need one run"),
        (["one", "two"], "two: one folder at a time"),
    ],
)
def test_bad_words(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    code, _, err = run(capsys, *words)
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1
