"""The runs that are ticked in the list: their curves under the shown one's, and how their recipes differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memorynet_gui.train.runs_view import difference_text

if TYPE_CHECKING:
    from core.training.runs import Run
    from memorynet_gui.train.page import TrainPage


class Overlays:
    def __init__(self, page: TrainPage) -> None:
        self._page = page

    def show(self) -> None:
        """Curves and words for what is ticked now; curves that nobody looks at any more are let go."""
        page = self._page
        if not page.has_stage:
            return
        stores, ticked = page.stores(), self._ticked()
        page.stage().set_overlays([(run.name, stores.of(run.folder, False)) for run in ticked])
        if page.shown is not None:
            here = {page.flow.order.folder} if page.flow.order is not None else set()
            stores.keep_only({page.shown, *page.run_list.overlays(), *here})
        self.tell_differences()

    def tell_differences(self) -> None:
        from core.training import runs

        shown = self._page.run_of(self._page.shown)
        texts = []
        for other in self._ticked():
            if shown is None or shown.recipe is None or other.recipe is None:
                continue
            found = runs.differences((other.recipe, shown.recipe))
            texts.append(difference_text(shown.name, other.name, found))
        self._page.inspector().show_differences(texts)

    def _ticked(self) -> list[Run]:
        folders = self._page.run_list.overlays()
        return [run for folder in folders if (run := self._page.run_of(folder)) is not None]
