"""MemoryNet's core: restoration, training and measurement without a window.

No Qt, no printing, nothing runs at import but one setting for torch. The names of :data:`__all__` are the library's:
imported when they are first used (``__init__.pyi`` says from where, for type checkers), described in
``docs/library.md`` and kept stable.
"""

import importlib
import os
from typing import Any

# torch reads this when it is imported, which may happen in any module of ours: threads that spin while they wait
# starve one another where another program wants the same cores (training steps were seen to take 9 times as long)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

_WHERE = {
    "core.data.degrade": ("DEGRADATIONS",),
    "core.images.io": ("Picture", "WriteOptions", "read", "write"),
    "core.images.metrics": ("PROTOCOLS", "psnr_db", "ssim"),
    "core.jobs": ("Cancelled", "JobControl"),
    "core.library": ("Model", "Options", "from_pretrained", "load", "restore"),
    "core.model.catalog": ("models",),
    "core.model.network": ("MemoryNet", "NetworkConfig"),
    "core.restoring.evaluation": ("EvaluateRequest", "evaluate"),
    "core.restoring.evaluation_table": ("EvaluationTable",),
    "core.restoring.memory.inspection": ("Inspection",),
    "core.restoring.records": ("Restored",),
    "core.tasks": ("TASKS",),
    "core.training.recipe": ("TrainRecipe",),
    "core.training.trainer": ("TrainResult", "train"),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "DEGRADATIONS",
    "PROTOCOLS",
    "TASKS",
    "Cancelled",
    "EvaluateRequest",
    "EvaluationTable",
    "Inspection",
    "JobControl",
    "MemoryNet",
    "Model",
    "NetworkConfig",
    "Options",
    "Picture",
    "Restored",
    "TrainRecipe",
    "TrainResult",
    "WriteOptions",
    "__version__",
    "evaluate",
    "from_pretrained",
    "load",
    "models",
    "psnr_db",
    "read",
    "restore",
    "ssim",
    "train",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
