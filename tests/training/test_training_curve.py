"""A run's curve on the disk, brought back to what a checkpoint knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.training.curve import Curve
from core.training.guard import Setback
from core.training.run_folder import read_curve


def step(number: int, loss: float = 0.1) -> dict[str, Any]:
    return {"kind": "step", "step": number, "loss": loss}


def validation(number: int) -> dict[str, Any]:
    return {"kind": "validation", "step": number, "psnr_db": 30.0}


def test_lines_past_the_checkpoint_go_and_what_it_brings_is_put_in_its_place(tmp_path: Path) -> None:
    curve = Curve(tmp_path)
    curve.append([step(2), step(4), validation(4), step(6), step(8), validation(8)])
    back = Setback(4, 7, 0.5, "the loss is nan")
    curve.truncate(8, 4, (back,), unwritten=[step(6), step(7, 0.2), back.line()])
    expected = [step(2), step(4), validation(4), back.line(), step(6), step(7, 0.2), step(8)]
    assert read_curve(tmp_path) == expected
    curve.truncate(8, 4, (back,), unwritten=[step(7, 0.2)])
    assert read_curve(tmp_path) == expected, "once is enough"
    curve.truncate(0, 0)
    assert read_curve(tmp_path) == []


def test_what_a_crash_left_behind_the_lines_is_dropped(tmp_path: Path) -> None:
    curve = Curve(tmp_path)
    for rest in (b"\xff\xfe\x00\n", b"\x00" * 40, b'{"kind": "st'):
        curve.file.unlink(missing_ok=True)
        curve.append([step(2), step(4)])
        with curve.file.open("ab") as file:
            file.write(rest)
        curve.truncate(4, 0)
        curve.append([step(6)])
        assert read_curve(tmp_path) == [step(2), step(4), step(6)]
