"""What a configuration amounts to, in words, before anything is trained."""

from math import ceil
from typing import Any

from plumbrl.encoders.images import is_image, parts
from plumbrl.training.config import TrainConfig


def describe(config: TrainConfig, model: Any, episode_steps: int | None) -> list[str]:
    """Return one sentence per fact: how much is learnt from what, and how far the agent looks.

    Args:
        config: The training.
        model: The SB3 model built from it, which knows the library's defaults.
        episode_steps: The environment's time limit in steps; None if it has none.
    """
    lines = _updates(config, model) + _images(config, model)
    gamma = getattr(model, "gamma", None)
    if gamma is not None:
        lines.append(_horizon(gamma, episode_steps))
    begin = config.imitate
    if begin.controller is not None:
        lines.append(
            f"begins with what {begin.controller!r} does: {begin.timesteps:,} steps are shown, "
            f"{begin.gradient_steps:,} gradient steps imitate them"
        )
    return lines


def warnings(config: TrainConfig, model: Any) -> list[str]:
    """Return what in a configuration is probably not meant."""
    samples, batch = _samples(config, model), getattr(model, "batch_size", None)
    found = []
    if samples and batch and batch <= samples and samples % batch:
        found.append(
            f"{samples:,} samples do not divide into minibatches of {batch:,}: "
            f"the last of each epoch holds {samples % batch:,}."
        )
    if samples and batch and batch > samples:
        found.append(f"batch_size {batch:,} is more than the {samples:,} samples of an update.")
    if samples and config.total_timesteps < samples:
        found.append(
            f"total_timesteps {config.total_timesteps:,} is less than one update's {samples:,}; "
            f"one whole update is made."
        )
    return found


def _updates(config: TrainConfig, model: Any) -> list[str]:
    samples, batch = _samples(config, model), getattr(model, "batch_size", None)
    if not samples:
        per = f"batches of {batch:,} from a replay buffer" if batch else "whole episodes"
        return [f"learns from {per}, {config.num_envs} environments"]
    updates = ceil(config.total_timesteps / samples)
    text = f"{config.num_envs} x {model.n_steps:,} = {samples:,} samples per update, "
    if not batch or not hasattr(model, "n_epochs"):
        return [f"{text}{updates:,} updates"]
    steps = model.n_epochs * ceil(samples / batch)
    return [f"{text}{steps:,} gradient steps each ({model.n_epochs} epochs), {updates:,} updates"]


def _images(config: TrainConfig, model: Any) -> list[str]:
    """Say what images go through; a frozen encoder stands before the model, which sees none."""
    encoder = config.encoder
    if encoder.path is not None and encoder.frozen:
        return [f"images through the frozen encoder {encoder.path}"]
    if not any(is_image(part) for part in parts(model.observation_space).values()):
        return []
    which = "a new encoder" if encoder.path is None else f"the encoder {encoder.path}"
    return [f"images through {which}, learnt with the policy"]


def _samples(config: TrainConfig, model: Any) -> int:
    """Samples of one on-policy update; 0 for other algorithms."""
    on_policy = hasattr(model, "rollout_buffer")
    return config.num_envs * model.n_steps if on_policy else 0


def _horizon(gamma: float, episode_steps: int | None) -> str:
    if gamma >= 1:
        return "gamma 1: rewards count for ever"
    horizon = 1 / (1 - gamma)
    text = f"gamma {gamma:g} looks about {horizon:,.0f} steps ahead"
    if not episode_steps:
        return text
    return f"{text}, {horizon / episode_steps:.0%} of an episode's {episode_steps:,}"
