"""Times and sizes as people write them."""

from __future__ import annotations

from pathlib import Path


def clock(seconds: float) -> str:
    """``0:14``, ``12:05``, ``1:02:05``."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size_text(count_bytes: float) -> str:
    """``12 kB``, ``840 MB``, ``1.1 GB``."""
    if count_bytes < 1e6:
        return f"{count_bytes / 1e3:.0f} kB"
    return f"{count_bytes / 1e9:.1f} GB" if count_bytes >= 1e9 else f"{count_bytes / 1e6:.0f} MB"


def short_folder(folder: Path) -> str:
    """As people name it: ``~/Pictures/rain``."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)
