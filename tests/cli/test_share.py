"""One run shared by several processes, by RANK and WORLD_SIZE: real processes, and their parts in threads."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from torch.distributed import HashStore

from core.cli import common, program, share
from core.cli import inspect as cli_inspect
from core.images import io as image_io
from core.jobs import Cancelled, JobControl
from core.model import checkpoint, exemplars
from core.restoring.memory.pictures import PICTURES
from core.training.exemplar_fill import fill
from tests.forked import Forked, command
from tests.small import photo, save_small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_small_model(tmp_path_factory.mktemp("models") / "small")
    loaded = checkpoint.load(folder)
    clean = [("a.png", photo(96, 96, 1))]
    exemplars.save(fill(loaded.network, clean, lambda x, _r: x * 0.6, weights_sha256=loaded.sha256), folder)
    return folder


def write(folder: Path, count: int, px: int = 64, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = image_io.from_array(photo(px, px, first + number))
        image_io.write(folder / f"{number}.png", pixels)
    return folder


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def start(place: Path, count: int, words: list[str]) -> list[Forked]:
    """The command as ``count`` processes, as torchrun starts them."""
    port = free_port()
    return [
        Forked(
            place,
            command,
            *words,
            RANK=str(rank),
            WORLD_SIZE=str(count),
            MASTER_PORT=port,
            MASTER_ADDR="127.0.0.1",
        )
        for rank in range(count)
    ]


def test_two_processes_share_a_folder_are_killed_and_go_on(model: Path, tmp_path: Path) -> None:
    wet, dry = write(tmp_path / "wet", 7, 360), tmp_path / "dry"
    (wet / "3.png").write_bytes(b"no picture")
    words = [
        "restore",
        str(wet),
        "--out",
        str(dry),
        "--model",
        str(model),
        "--resume",
        "--json",
        "--device",
        "cpu",
    ]
    both = start(tmp_path, 2, words)
    try:
        until = time.monotonic() + 150
        while not list(dry.glob("*.png")) and time.monotonic() < until and both[0].is_alive:
            time.sleep(0.01)
    finally:
        for each in both:
            each.kill()
    before = {path.name: path.stat().st_mtime_ns for path in dry.glob("*.png")}
    assert before

    both = start(tmp_path, 2, words)
    codes, said = [each.wait(200) for each in both], [each.out.read_text() for each in both]
    assert codes == [1, 0] and not said[1]  # the first reports, on failures too
    report = json.loads(said[0])
    assert [Path(image["input"]).name for image in report["images"]] == [f"{n}.png" for n in range(7)]
    statuses = [image["status"] for image in report["images"]]
    assert statuses[3] == "failed" and "no picture" not in statuses and report["images"][3]["error"]
    assert report["skipped"] >= len(before) - 1 and report["skipped"] + report["restored"] == 6
    assert len(list(dry.glob("*.derained.png"))) == 6
    skipped = {Path(i["output"]).name for i in report["images"] if i["status"] == "skipped"}
    assert all((dry / name).stat().st_mtime_ns == before[name] for name in skipped)


def in_threads(monkeypatch: pytest.MonkeyPatch, words: list[list[str]]) -> list[int]:
    """Each list of words as a process of one run; exit codes."""
    store, here = HashStore(), threading.local()
    monkeypatch.setattr(share, "of_environment", lambda _control: share.Share(here.rank, len(words), store))
    codes = [-1] * len(words)

    def run(rank: int) -> None:
        here.rank = rank
        codes[rank] = program.main(words[rank])

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(len(words))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    return codes


def test_scores_are_those_of_one_process(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs"
    write(pairs / "rain", 5)
    write(pairs / "norain", 5, first=10)
    (pairs / "rain" / "4.png").write_bytes(b"no picture")
    words = ["evaluate", str(pairs), "--model", str(model), "--json", "--device", "cpu"]
    assert program.main(words) == 1
    alone = json.loads(capsys.readouterr().out)
    assert in_threads(monkeypatch, [words, words]) == [1, 0]
    together = json.loads(capsys.readouterr().out)
    timed = ("seconds", "megapixels_per_s")

    def untimed(told: object) -> object:
        if isinstance(told, dict):
            return {key: untimed(value) for key, value in told.items() if key not in timed}
        return [untimed(each) for each in told] if isinstance(told, list) else told

    assert untimed(together) == untimed(alone) and together["megapixels_per_s"] > 0


def test_the_memory_is_judged_over_the_photos_of_all_processes(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = dict.fromkeys(PICTURES, np.zeros((1, 1, 3), np.uint8))
    monkeypatch.setattr(
        cli_inspect, "_pictures", lambda *_: blank
    )  # drawing takes far longer than all the rest
    photos = write(tmp_path / "photos", 3)
    words = ["inspect", str(photos), "--model", str(model), "--json", "--device", "cpu"]
    assert program.main([*words, "--out", str(tmp_path / "one")]) == 0
    alone = json.loads(capsys.readouterr().out)
    out = ["--out", str(tmp_path / "two")]
    assert in_threads(monkeypatch, [[*words, *out], [*words, *out]]) == [0, 0]
    together = json.loads(capsys.readouterr().out)
    assert together["inspected"] == 3 and together["health"]["slots"] == alone["health"]["slots"]
    assert np.isclose(together["health"]["entropy"], alone["health"]["entropy"])
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"0", "1", "2"}


def test_a_lost_process_and_one_that_sees_other_files_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "LOST_S", 0.3)
    monkeypatch.setattr(share, "MEETING_S", 0.3)
    first = share.Share(0, 3, HashStore())
    assert [index for index in range(7) if first.mine(index)] == [0, 3, 6]
    with pytest.raises(common.UsageError, match="process 1 of 3 did not come"):
        first.begin(["a"], JobControl())
    store = HashStore()
    first = share.Share(0, 3, store)
    second = share.Share(1, 3, store)
    assert second.gather({"x": 1}, JobControl()) is None
    assert first.gather({"x": 0}, JobControl()) == [{"x": 0}, {"x": 1}, None]
    other = HashStore()
    other.set("files/1", "another sum")
    with pytest.raises(common.UsageError, match="process 1 does not see the same 1 files"):
        share.Share(0, 2, other).begin(["a"], JobControl())


@pytest.mark.parametrize(("rank", "count"), [("2", "2"), ("-1", "2"), ("x", "2"), ("0", "0")])
def test_numbers_that_make_no_sense_are_refused(
    rank: str, count: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", count)
    with pytest.raises(common.UsageError, match="RANK="):
        share.of_environment(JobControl())


def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    found = share.of_environment(JobControl())
    assert found.alone and found.is_first and found.mine(5) and found.device("auto") == "auto"
    assert found.gather({"x": 1}, JobControl()) == [{"x": 1}]


def test_waiting_for_the_others_is_said_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """RANK and WORLD_SIZE may have been left behind by something else."""
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_PORT", free_port())):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setattr(share, "MEETING_S", 3.0)
    monkeypatch.setattr(share, "_PATIENCE_S", 0.2)
    control = JobControl()
    threading.Timer(0.6, control.cancel).start()
    with pytest.raises(Cancelled):
        share.of_environment(control)
    assert "waits for the others" in capsys.readouterr().err
    monkeypatch.setenv("MASTER_PORT", free_port())
    with pytest.raises(common.UsageError, match="cannot meet the others"):
        share.of_environment(JobControl())
