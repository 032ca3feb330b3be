"""The layers of an environment, and the parts of its step that have names."""

from collections import Counter
from typing import Any

import gymnasium

from plumbrl.profiling.clock import Clock

CONVENTIONAL = {
    "do_simulation": "physics",
    "_get_obs": "observation",
    "_get_observation": "observation",
    "_get_rew": "reward",
    "_get_reward": "reward",
    "compute_reward": "reward",
    "_get_info": "info",
    "_render_frame": "rendering",
}
"""Methods by which environments usually name their parts."""
OWN = "timed_parts"
"""A method by which an environment names its parts itself: name to (object, name of its method)."""
RESET = "reset"
"""What a reset takes beside the parts that have names."""


def watch_env(clock: Clock, env: gymnasium.Env, group: str = "") -> None:
    """Watch every layer of a Gymnasium environment, and the parts of the innermost one.

    Args:
        clock: What counts; parts are called `group` and the class of a layer, or the part's name.
        env: The outermost layer.
        group: What the parts' names begin with.
    """
    seen: Counter[str] = Counter()
    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        _watch_layer(clock, layer, group, seen)
        layer = layer.env
    _watch_layer(clock, layer, group, seen)
    watch_parts(clock, layer, group)


def watch_parts(clock: Clock, owner: Any, group: str = "") -> None:
    """Watch what an environment itself consists of, as far as it can be told by name."""
    own: Any = getattr(owner, OWN, None)
    if own is not None:
        for name, (part, method) in own().items():
            clock.watch(part, method, group + name)
        return
    for method, name in CONVENTIONAL.items():
        clock.watch(owner, method, group + name)


def _watch_layer(clock: Clock, layer: gymnasium.Env, group: str, seen: Counter[str]) -> None:
    name = type(layer).__name__
    seen[name] += 1
    if seen[name] > 1:
        name += f" {seen[name]}"
    clock.watch(layer, "step", group + name)
    clock.watch(layer, "reset", group + RESET)
