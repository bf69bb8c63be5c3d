"""Start MemoryNet from a checkout: ``python main.py …`` is the same program as ``memorynet …``."""

import sys

from memorynet_gui.app import main

if __name__ == "__main__":
    sys.exit(main())
