"""Finds out whether a reinforcement-learning run is broken, where, and what to do."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plumbrl.adapters.loop.watch import Watch
    from plumbrl.adapters.sb3.watch_model import watch
    from plumbrl.audits.run import audit
    from plumbrl.curriculum import Curriculum
    from plumbrl.diagnosis import diagnose
    from plumbrl.probes import probe

_PUBLIC = {
    "Curriculum": "plumbrl.curriculum",
    "Watch": "plumbrl.adapters.loop.watch",
    "audit": "plumbrl.audits.run",
    "diagnose": "plumbrl.diagnosis",
    "watch": "plumbrl.adapters.sb3.watch_model",
    "probe": "plumbrl.probes",
}
"""Public names and the rooms they are loaded from when first used."""


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'plumbrl' has no attribute {name!r}")


__all__ = ["Curriculum", "Watch", "audit", "diagnose", "probe", "watch"]
