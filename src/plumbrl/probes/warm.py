"""What most trials need, imported once by the process that all others are forked from.

PyTorch imports `torch._dynamo` for any optimiser, which takes seconds. What is not installed is
left out: a trainer may do without it.
"""

import gc
from contextlib import suppress
from importlib import import_module

NEEDED = (
    "plumbrl.probes.trial",
    "torch._dynamo",
    "numpy.ma",
    "plumbrl.adapters.sb3.factories",
    "plumbrl.adapters.sb3.subject",
)

for _name in NEEDED:
    with suppress(ImportError):
        import_module(_name)
gc.freeze()  # else every process looks through all that was imported, and copies it
