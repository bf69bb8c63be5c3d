"""MemoryNet's core: restoration, training and measurement without a window.

No Qt, no printing, nothing runs at import but one setting for torch.
"""

import os

# torch reads this when it is imported, which may happen in any module of ours: threads that spin while they wait
# starve one another where another program wants the same cores (training steps were seen to take 9 times as long)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
