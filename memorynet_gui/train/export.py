"""Runs out of the window: the model as a folder or an ONNX file, the curves, the recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QWidget

from core.events import ItemStarted
from core.jobs import Emit, JobControl
from memorynet_gui.base.jobs import Job
from memorynet_gui.base.page import AppContext
from memorynet_gui.base.problems import describe

if TYPE_CHECKING:
    from core.training.runs import Run

MODEL, PRETRAINED, ONNX = "model", "pretrained", "onnx"


class Exporter(QObject):
    """Models go through the window's one worker, as torch does the work; the rest is written at once."""

    def __init__(self, context: AppContext, over: QWidget) -> None:
        super().__init__(over)
        self._context, self._over = context, over
        self._what = ""
        self._target: Path | None = None
        runner = context.runner
        runner.event.connect(self._event)
        runner.finished.connect(self._finished)
        runner.failed.connect(self._failed)
        runner.cancelled.connect(self._cancelled)

    @property
    def busy(self) -> bool:
        return self._target is not None

    def cancel(self) -> None:
        if self.busy:
            self._context.runner.cancel()

    # --- models ----------------------------------------------------------------------------------

    def ask_for_model(self, run: Run, kind: str) -> None:
        """MODEL, PRETRAINED or ONNX: where to; then :meth:`write_model`."""
        is_file = kind == ONNX
        title = {
            MODEL: "Export the model to a new folder",
            PRETRAINED: "Export in the Hugging Face layout to a new folder",
            ONNX: "Export the model as an ONNX file",
        }[kind]
        name = f"{run.name}.onnx" if is_file else run.name
        # existing places are refused by what writes, so the dialog must not promise to overwrite them
        self._ask(
            title, name, "ONNX (*.onnx)" if is_file else "", False, lambda to: self.write_model(run, kind, to)
        )

    def write_model(self, run: Run, kind: str, target: Path) -> None:
        if run.model is None:
            self._context.banner(f"{run.name} has no model yet: it comes with the first validation.")
            return
        if self._context.runner.busy:
            self._context.banner(f"Something is running. {run.name} can be exported when that has ended.")
            return
        self._what, self._target = run.name, target
        self._context.runner.start(_job(run.model, kind, target))
        self._context.job_bar.set_job(f"Exporting {run.name}", None, None)

    def _event(self, event: Any) -> None:
        if self.busy and isinstance(event, ItemStarted):
            text = f"Exporting {self._what} · {event.name}"
            self._context.job_bar.set_job(text, (event.index - 1) / event.count, None)

    def _finished(self, result: Any) -> None:
        target = self._release()
        if target is None:
            return
        more = ""
        if hasattr(result, "max_difference_levels"):
            more = (
                f" On {result.photo} it differs from PyTorch by at most "
                f"{result.max_difference_levels:.2g} of 255 levels."
            )
        self.written(target, more)

    def _failed(self, error: Any) -> None:
        if self._release() is not None:
            why = describe(error).sentence.removeprefix("The model was not exported. ")
            self._context.banner(f"{self._what} was not exported. {why}", kind="warning")

    def _cancelled(self) -> None:
        if self._release() is not None:
            self._context.banner(f"The export of {self._what} was stopped; nothing was left behind.")

    def _release(self) -> Path | None:
        target, self._target = self._target, None
        if target is not None:
            self._context.job_bar.clear_job()
        return target

    # --- the rest --------------------------------------------------------------------------------

    def ask_for_file(self, name: str, kind: str, title: str, write: Callable[[Path], object]) -> None:
        """Where to; ``write`` writes it, or has it written and calls :meth:`said` itself. It may raise OSError."""
        self._ask(title, name, kind, True, lambda target: self._write_file(target, write))

    def _write_file(self, target: Path, write: Callable[[Path], object]) -> None:
        try:
            write(target)
        except OSError as error:
            self._context.banner(f"{target.name} was not written. {describe(error).sentence}", kind="warning")

    def _ask(self, title: str, name: str, kind: str, confirm: bool, then: Callable[[Path], object]) -> None:
        settings = self._context.settings
        folder = settings.export_folder or Path.home()
        dialog = QFileDialog(self._over, title, str(folder))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite, not confirm)
        if kind:
            dialog.setNameFilters([kind, "All files (*)"])
            dialog.setDefaultSuffix(Path(name).suffix.removeprefix("."))
        dialog.selectFile(name)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def chosen(text: str) -> None:
            settings.export_folder = Path(text).parent
            then(Path(text))

        dialog.fileSelected.connect(chosen)
        dialog.open()

    def written(self, target: Path, more: str = "") -> None:
        self._context.banner(
            f"Written to {target}.{more}",
            "Show",
            lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(target.parent))),
        )


def _job(model: Path, kind: str, target: Path) -> Job:
    def work(emit: Emit, control: JobControl) -> Any:
        from core import export
        from core.model import catalog

        if kind == ONNX:
            rainy = [sample for sample in catalog.samples() if sample.truth is not None]
            return export.export_onnx(model, target, rainy[0].path, emit, control)
        if kind == PRETRAINED:
            return export.save_pretrained(model, target, emit, control)
        return export.export_model(model, target, emit, control)

    return work
