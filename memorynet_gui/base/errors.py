"""What can go wrong on the Restore page alone. :mod:`memorynet_gui.base.problems` has the words."""

from __future__ import annotations


class SourceChanged(Exception):
    """The photo on the disk is not the one that was restored; a blend of the two would be nonsense."""

    problem_key = "source-changed"


class ResultGone(Exception):
    """The restored pixels are not kept any more; the photo has to be restored again."""

    problem_key = "result-gone"


class SizeMismatch(Exception):
    """The reference does not show the same pixels."""

    problem_key = "size-mismatch"
