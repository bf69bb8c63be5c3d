"""Reading the memory of damage more strongly: the edit, the command line and what is recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cli import program as cli
from core.images import io as image_io
from core.jobs import JobControl, ignore
from core.model import catalog, checkpoint
from core.model.memory_edit import MemoryEdit, MemoryEditError, Slots, Step, note, thorough
from core.model.network import MemoryNet, with_memory
from core.restoring.restore import RestoreError, RestoreRequest, restore
from memorynet_gui.base.models import entry_of
from tests.restore_page_kit import write
from tests.small import SMALL, photo, small_network

BOOST = '{"version": 1, "steps": [{"action": "boost", "polarity": "negative", "gain": %g}]}'
MUTE = MemoryEdit((Step("mute", Slots("positive", "part", (1,))),))


# --- the edit --------------------------------------------------------------------------------------


def test_one_is_no_edit() -> None:
    assert thorough(1) is None
    assert thorough(1.0, MUTE) is MUTE


@given(st.floats(1, 2, exclude_min=True))
def test_it_is_the_same_as_the_edit_by_hand(gain: float) -> None:
    made = thorough(gain)
    assert made is not None
    assert made == MemoryEdit((Step("boost", Slots("negative"), gain),))
    assert MemoryEdit.from_json(made.to_json()) == made
    source, gains = made.table(SMALL)
    half = len(source) // 2
    assert source == list(range(len(source)))
    assert gains == [1.0] * half + [gain] * half


def test_it_comes_after_an_edit() -> None:
    """What the negative slots hold by then is read more often, wherever it came from."""
    swap = MemoryEdit((Step("boost", Slots("positive"), 3), Step("swap", Slots("positive"), other=Slots("negative"))))  # fmt: skip
    made = thorough(2, swap)
    assert made is not None
    source, gains = made.table(SMALL)
    half = len(source) // 2
    assert source == [*range(half, 2 * half), *range(half)]
    assert gains == [1.0] * half + [6.0] * half
    with pytest.raises(
        MemoryEditError, match="gain 10 of negative slots with the steps before: need at most 8"
    ):
        made = thorough(2, MemoryEdit((Step("boost", Slots("negative"), 5),)))
        assert made is not None
        made.table(SMALL)


@pytest.mark.parametrize("value", [0.99, 2.01, 0, -1, float("nan"), float("inf"), True, "1.5", None])
def test_what_is_no_thoroughness(value: Any) -> None:
    with pytest.raises(MemoryEditError, match=r"thoroughness .*: need a number from 1 to 2"):
        thorough(value)


def test_an_edit_of_some_contents_alone_cannot_be_joined() -> None:
    learned = replace(MUTE, contents="learned")
    with pytest.raises(MemoryEditError, match="the edit is of the learned ones alone"):
        thorough(1.5, learned)
    assert thorough(1, learned) is learned
    assert thorough(1.5, MemoryEdit((), "actual")) == thorough(1.5), "an edit that does nothing"


def test_it_is_noted_in_words() -> None:
    assert note(thorough(1.25)) == "read with thoroughness 1.25"
    assert note(MemoryEdit.from_json(BOOST % 1.25)) == "read with thoroughness 1.25"
    assert note(thorough(1.5, MUTE)) == f"edited {MUTE.sha256()[:16]}, read with thoroughness 1.5"
    for other in (
        MemoryEdit((Step("boost", Slots("negative"), 3),)),
        MemoryEdit((Step("boost", Slots("negative"), 1.5),), "actual"),
        MemoryEdit((Step("boost", Slots("negative", "part"), 1.5),)),
        MemoryEdit((Step("boost", Slots("positive"), 1.5),)),
    ):
        assert note(other) == f"edited {other.sha256()[:16]}"


# --- restoring -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "small"
    return checkpoint.save(folder, small_network(3), name="small", task="derain", provenance={})


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One without a memory."""
    folder = tmp_path_factory.mktemp("plain") / "plain"
    network = MemoryNet(with_memory(SMALL, "none"))
    return checkpoint.save(folder, network, name="plain", task="derain", provenance={})


def test_one_is_the_unedited_result_and_more_is_the_edit_s(model: Path) -> None:
    picture = image_io.from_array(photo(150, 90, dtype=np.uint16))

    def made(edit: MemoryEdit | None) -> np.ndarray:
        request = RestoreRequest(model=model, device="cpu", precision="fp32", memory_edit=edit)
        return restore(picture, request, ignore, JobControl()).pixels

    plain = made(None)
    assert np.array_equal(made(thorough(1.0)), plain)
    strong = made(thorough(1.5))
    assert np.array_equal(strong, made(MemoryEdit.from_json(BOOST % 1.5)))
    assert not np.array_equal(strong, plain)
    with pytest.raises(RestoreError, match="a muted memory cannot be edited"):
        RestoreRequest(mute_memory=True, memory_edit=thorough(1.5))


def test_models_say_whether_they_have_what_it_reads(model: Path, plain_model: Path, tmp_path: Path) -> None:
    positive = checkpoint.save(
        tmp_path / "half",
        MemoryNet(with_memory(SMALL, "positive")),
        name="half",
        task="derain",
        provenance={},
    )
    for folder, expected in ((model, True), (plain_model, False), (positive, False)):
        assert catalog.entry(folder).reads_damage is expected
        assert entry_of(folder).reads_damage is expected
    described = json.loads((model / "config.json").read_text())
    for network in (None, {}, {"width": 4}, {"polarities": 3}):
        (tmp_path / "half/config.json").write_text(json.dumps(described | {"network": network}))
        assert catalog.entry(positive).reads_damage is (network != {"polarities": 3})


# --- the command line ------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return write(tmp_path / "photos/a.png", photo(40, 30, 1))


def test_the_command_line_restores_and_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shot: Path, model: Path
) -> None:
    edit = tmp_path / "edit.json"
    result = shot.with_name("a.derained.png")

    def made(*words: object) -> tuple[np.ndarray, str]:
        code, out, err = run(capsys, "restore", shot, "--model", model, "--overwrite", "--json", *words)
        assert (code, err) == (0, "")
        record = image_io.read_provenance(result)
        assert record is not None and record["memory"] == json.loads(out)["memory"]
        return image_io.read(result).pixels, record["memory"]

    plain, said = made()
    assert said == "unchanged"
    assert np.array_equal(made("--thoroughness", "1")[0], plain)
    strong, said = made("--thoroughness", "1.5")
    assert said == "read with thoroughness 1.5" and not np.array_equal(strong, plain)
    edit.write_text(BOOST % 1.5)
    assert np.array_equal(made("--memory-edit", edit)[0], strong)
    edit.write_text(MUTE.to_json())
    both, said = made("--memory-edit", edit, "--thoroughness", "1.5")
    assert said == f"edited {MUTE.sha256()[:16]}, read with thoroughness 1.5"
    assert not np.array_equal(both, strong)


def test_resume_tells_them_apart(capsys: pytest.CaptureFixture[str], shot: Path, model: Path) -> None:
    def status(*words: object) -> str:
        code, out, _ = run(capsys, "restore", shot, "--model", model, "--resume", "--json", *words)
        assert code == 0
        return str(json.loads(out)["images"][0]["status"])

    for words in ((), ("--thoroughness", "1.5"), ("--thoroughness", "1.55"), ("--thoroughness", "1")):
        assert (status(*words), status(*words)) == ("restored", "skipped")
    assert status() == "skipped"


@pytest.mark.parametrize("command", ["restore", "evaluate", "inspect"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--thoroughness 0.9", "need a number from 1 to 2, got 0.9"),
        ("--thoroughness 2.1", "need a number from 1 to 2, got 2.1"),
        ("--thoroughness nan", "need a number from 1 to 2, got nan"),
        ("--thoroughness much", "need a number from 1 to 2, got much"),
        ("--thoroughness 1.5 --no-memory", "--thoroughness 1.5: not with --no-memory"),
        ("--thoroughness 1.5 --memory-edit {learned}", "--thoroughness 1.5: holds for both contents"),
        (
            "--thoroughness 2 --memory-edit {much}",
            "much.json with --thoroughness 2: step 2, boost: gain 10 of negative slots",
        ),
    ],
)
def test_what_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], shot: Path, model: Path, command: str, words: str, expected: str
) -> None:
    (shot.parent / "input").mkdir()
    (shot.parent / "target").mkdir()
    for side in ("input", "target"):
        write(shot.parent / side / "b.png", photo(40, 30, 1))
    places = {"learned": shot.parent / "learned.json", "much": shot.parent / "much.json"}
    places["learned"].write_text(replace(MUTE, contents="learned").to_json())
    places["much"].write_text(BOOST % 5)
    subject = shot.parent if command == "evaluate" else shot
    code, out, err = run(capsys, command, subject, *words.format(**places).split(), "--model", model)
    assert (code, out) == (2, "")
    assert expected in err and err.count("\n") == 1 and err.startswith("memorynet")


def test_models_without_a_memory_refuse_it(
    capsys: pytest.CaptureFixture[str], shot: Path, plain_model: Path
) -> None:
    code, out, err = run(capsys, "restore", shot, "--model", plain_model, "--thoroughness", "1.5")
    assert (code, out) == (2, "")
    assert "--thoroughness 1.5: this model has no memory of damage" in err and err.count("\n") == 1
    assert run(capsys, "restore", shot, "--model", plain_model, "--thoroughness", "1")[0] == 0


def test_scores_and_inspections_are_made_with_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shot: Path, model: Path
) -> None:
    folder = tmp_path / "pairs"
    for side, seed in (("input", 1), ("target", 2)):
        (folder / side).mkdir(parents=True)
        write(folder / side / "b.png", photo(40, 30, seed))
    found = []
    for words in ((), ("--thoroughness", "2")):
        code, out, _ = run(capsys, "evaluate", folder, "--model", model, "--json", *words)
        assert code == 0
        found.append(json.loads(out))
    assert [each["memory"] for each in found] == ["unchanged", "read with thoroughness 2"]
    assert found[0]["restored"]["psnr_db"] != found[1]["restored"]["psnr_db"]
    code, out, _ = run(capsys, "evaluate", folder, "--model", model, "--thoroughness", "2")
    assert code == 0 and "\n  memory read with thoroughness 2\n" in out
    code, out, _ = run(
        capsys, "inspect", shot, "--model", model, "--out", tmp_path / "seen", "--thoroughness", "2"
    )
    assert code == 0 and "\n    restored with its memory read with thoroughness 2\n" in out
