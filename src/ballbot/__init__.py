"""A simulated ballbot: pure Gymnasium and MuJoCo.

`gymnasium.make("ballbot:Ballbot-v0")` needs no import; after `import ballbot`, plain
`"Ballbot-v0"` works too (Gymnasium has no plugin discovery any more).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gymnasium.envs.registration import register, registry

if TYPE_CHECKING:
    from ballbot.config import EnvConfig, make_config
    from ballbot.env import BallbotEnv
    from ballbot.vector import BallbotVectorEnv

__all__ = ["BallbotEnv", "BallbotVectorEnv", "EnvConfig", "make_config"]

_HOMES = {
    "BallbotEnv": "ballbot.env",
    "BallbotVectorEnv": "ballbot.vector",
    "EnvConfig": "ballbot.config",
    "make_config": "ballbot.config",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing the package loads no MuJoCo."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ballbot' has no attribute {name!r}")


if "Ballbot-v0" not in registry:
    register(
        id="Ballbot-v0",
        entry_point="ballbot.env:BallbotEnv",
        vector_entry_point="ballbot.vector:BallbotVectorEnv",
    )
