"""One torch thread: a second one gains nothing on small networks and spins on a busy machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
