"""MemoryNet's core: restoration, training and measurement without a window.

No Qt, no printing, nothing runs at import.
"""

__version__ = "0.1.0"
