"""Setting up a run: what is asked of the photos and of the machine, and what is left out because of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QPushButton

from core.doctor.examination import DoctorReport, Finding, examine
from core.jobs import JobControl, ignore
from core.training.recipe import TrainRecipe
from memorynet_gui.newrun.checks_view import duration_text
from memorynet_gui.newrun.view import NewRunView
from tests.gui.newrun.new_run_kit import estimated, folder_of, looked, pairs_of, report, view
from tests.gui.newrun.test_recipe_form import type_into
from tests.restore_page_kit import write
from tests.small import photo
from tests.ui import unnamed_focusable

__all__ = ["view"]  # a fixture


def test_a_report_is_of_the_photos_that_were_checked(view: NewRunView, tmp_path: Path) -> None:
    looked(view)
    view.doctor.button.click()
    view.show_report(report(Finding("layout", "error", "SAMPLES/train: torn.", ())))
    assert view.why_not() is not None and not view.doctor.found.isHidden()
    empty = tmp_path / "empty"
    empty.mkdir()
    view.set_data((empty,))
    looked(view)
    assert view.doctor.found.isHidden()


def test_the_check_of_the_photos_is_asked_for_and_shown(view: NewRunView) -> None:
    looked(view)
    asked: list[tuple[TrainRecipe, tuple[Path, ...]]] = []
    view.examine_requested.connect(lambda *args: asked.append(args))
    view.doctor.button.click()
    assert asked == [(view.recipe(), ())]
    assert not view.doctor.button.isEnabled()
    assert not view.estimate.button.isEnabled()
    view.show_progress("3 of 17", 3 / 17)
    assert view.doctor.summary.text() == "3 of 17"
    stops = Finding("unreadable", "error", "1 file cannot be read.", (Path("a/b.png"),))
    view.show_report(report(stops, Finding("few", "warning", "Only 13 photos.")))
    assert "1 thing would stop training" in view.doctor.summary.text()
    assert not view.is_valid
    assert "step 3" in view.bar.reason.text()
    type_into(view.form, "seed", "5")  # asked about other data: the answer does not hold
    looked(view)
    assert view.is_valid
    assert "changed since" in view.doctor.summary.text()
    view.doctor.button.click()
    view.show_report(report())
    assert "Nothing wrong" in view.doctor.summary.text()
    assert view.is_valid


def test_the_estimate_is_shown_and_its_suggestion_taken(view: NewRunView) -> None:
    looked(view)
    view.estimate.button.click()
    assert view.questions.is_open
    view.show_estimate(estimated(6, 64))
    assert "About 2 h" in view.estimate.summary.text() or "120 min" in view.estimate.summary.text()
    use = next(b for b in view.estimate.findChildren(QPushButton) if b.text() == "Use it")
    use.click()
    assert (view.recipe().batch, view.recipe().patch_px) == (6, 64)
    assert "changed since" in view.estimate.summary.text()
    looked(view)
    view.estimate.button.click()
    view.show_estimate(estimated(6, 64))
    assert not [b for b in view.estimate.findChildren(QPushButton) if b.text() == "Use it"]
    view.estimate.button.click()
    view.show_problem("The disk is on fire.")
    assert view.estimate.summary.text() == "The disk is on fire."
    assert not view.questions.is_open
    view.estimate.button.click()
    view.show_cancelled()
    assert view.estimate.button.isEnabled()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(40, "40 s"), (600, "10 min"), (7200, "2 h"), (7800, "2 h 10 min"), (40 * 3600, "1 day 16 h"), (96 * 3600, "4 days")],
)  # fmt: skip
def test_durations_are_said_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def left_out_report() -> DoctorReport:
    torn = Finding(
        "unreadable", "error", "1 file cannot be read: torn.", (Path("a/torn.png"),), (), ("torn",)
    )
    names = tuple(f"a_very_long_name_of_a_photo_from_the_mountains_{number:02}" for number in range(40))
    moved = Finding("shifted", "warning", f"40 pairs are moved: {', '.join(names[:4])} and 36 more.",
                    tuple(Path(f"a/{name}.png") for name in names), (), names)  # fmt: skip
    return report(torn, moved, Finding("few", "note", "Only 13 photos."))


def button_of(view: NewRunView, words: str) -> QPushButton:
    return next(b for b in view.doctor.found.findChildren(QPushButton) if b.text() == words)


def test_what_was_found_can_be_left_out_and_taken_back_in(view: NewRunView) -> None:
    looked(view)
    view.doctor.button.click()
    view.show_report(left_out_report())
    assert not view.is_valid
    button_of(view, "Leave it out").click()
    assert view.recipe().leave_out == ("torn",)
    looked(view)
    assert view.is_valid  # what would have stopped it is left out
    assert view.doctor.summary.text() == "1 left out since. 1 more thing worth a look."
    assert not view.doctor.found.isHidden()
    button_of(view, "Leave these out").click()
    assert len(view.recipe().leave_out) == 41
    assert "Nothing else wrong" in view.doctor.summary.text()
    assert view.form.row("leave_out").editor.value() == view.recipe().leave_out
    button_of(view, "Take back in").click()  # the first, which stops training
    assert "torn" not in view.recipe().leave_out and len(view.recipe().leave_out) == 40
    looked(view)
    assert not view.is_valid
    view.form.row("leave_out").editor.field_widget().setPlainText("")  # by hand
    assert view.recipe().leave_out == ()
    assert "1 thing would stop training" in view.doctor.summary.text()
    assert unnamed_focusable(view) == []


def test_what_was_left_out_before_the_check_has_to_be_looked_at_when_it_comes_back(view: NewRunView) -> None:
    looked(view)
    view.form.set_values({"leave_out": ("torn", "old")})
    looked(view)
    view.doctor.button.click()
    out = Finding("left_out", "note", "1 left out: torn.", (Path("a/torn.png"),), (), ("torn",))
    view.show_report(replace(report(out), left_out=1))
    assert view.doctor.summary.text().startswith("13 photos to learn from, 4 to score on, 1 left out.")
    button_of(view, "Take back in").click()
    assert view.recipe().leave_out == ("old",)
    assert view.doctor.found.isHidden()
    assert "changed since" in view.doctor.summary.text()


def test_long_names_of_findings_keep_their_ends(view: NewRunView) -> None:
    looked(view)
    view.doctor.button.click()
    long = "x" * 60 + "-last.png"
    view.show_report(report(Finding("folder", "warning", f"{long}: is odd.")))
    row = next(label for label in view.doctor.found.findChildren(QLabel) if "is odd" in label.text())
    assert "-last.png: is odd." in row.text() and "…" in row.text() and len(row.text()) < 60
    assert long in row.toolTip()


def test_a_picture_without_partner_can_be_found_and_left_out(view: NewRunView, tmp_path: Path) -> None:
    """It keeps the photos from being counted; the doctor is asked all the same."""
    folder = pairs_of(tmp_path, "set")
    write(folder / "rain" / "alone_1.png", photo(48, 48, 99))
    view.form.set_values(
        {"kind": "pairs", "train": (str(folder),), "validation": (str(folder),), "hold_out": 0.3}
    )
    looked(view)
    assert "no partner" in (view.why_not() or "")
    assert view.doctor.button.isEnabled() and not view.estimate.button.isEnabled()
    view.doctor.button.click()
    view.show_report(examine(view.recipe(), (), ignore, JobControl()))
    said = view.data.problem
    assert ("step 3" in said.text(), said.property("role")) == (True, "secondary"), "the check says it now"
    button_of(view, "Leave it out").click()
    assert view.recipe().leave_out == ("alone_1",)
    looked(view)
    assert view.is_valid
    assert view.data.words.text().endswith("1 left out.")


def test_photos_left_out_are_not_counted_nor_shown(view: NewRunView, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "mine", count=4)
    view.set_data((folder,))
    looked(view)
    assert view.recipe().train == (str(folder),)
    view.form.set_values({"leave_out": ("1", "mine/3.png")})
    looked(view)
    assert "2 clean photos" in view.data.words.text() and view.data.words.text().endswith("2 left out.")
    view.form.set_values({"leave_out": ("0", "1", "2", "3")})
    looked(view)
    assert view.why_not() == "All that would be learnt from is left out; see All settings."
    view.photos.use_bundled()
    looked(view)
    assert view.is_valid and view.recipe().leave_out == ()
