"""What is inside the networks of an SB3 or sb3-contrib model, on observations they were given."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from plumbrl.adapters.sb3.outputs import outputs
from plumbrl.adapters.torch_internals import attention_of, layer_activations, sensitivity

Array = np.ndarray
Tensor = torch.Tensor


def activations_of(model: BaseAlgorithm, observations: Any) -> dict[str, Array]:
    """Return the activations of policy and value network, (n, units) each.

    Args:
        model: The model.
        observations: As the network takes them, (n, ...) or a dictionary of them.
    """

    def run() -> None:
        model.policy.set_training_mode(False)
        model.predict(observations, deterministic=True)
        outputs(model, model.policy.obs_to_tensor(observations)[0])

    return layer_activations(model.policy, run)


def attention(model: BaseAlgorithm, observations: Any) -> tuple[Array, tuple[str, ...]] | None:
    """Return the mean attention (tokens, tokens) and its tokens; None if there is no attention."""
    with torch.no_grad():
        model.predict(observations, deterministic=True)
    return attention_of(model.policy)


def contributions(
    model: BaseAlgorithm, observations: Mapping[str, Array], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Return how much every part of dictionary observations contributes to the answers.

    The rows of one part are shuffled, so that it belongs to other moments; what counts is the root
    mean square change of an answer over its standard deviation. 0: the part is not used; about 1.4:
    the answer depends on it alone.

    Args:
        model: The model.
        observations: As the network takes them, (n, ...) by key.
        seed: Of the shuffling.
    """
    order = np.random.default_rng(seed).permutation(len(next(iter(observations.values()))))
    with torch.no_grad():
        whole = outputs(model, model.policy.obs_to_tensor(dict(observations))[0])
        found: dict[str, dict[str, float]] = {name: {} for name in whole}
        for key, part in observations.items():
            mixed = dict(observations) | {key: part[order]}
            for name, answer in outputs(model, model.policy.obs_to_tensor(mixed)[0]).items():
                found[name][key] = _moved(whole[name], answer)
    return found


def _moved(before: Tensor, after: Tensor) -> float:
    scale = before.double().var(dim=0).sum()
    moved = (after - before).double().square().mean(dim=0).sum()
    return float((moved / scale).sqrt()) if scale > 0 else 0.0


def saliency(model: BaseAlgorithm, observations: Any) -> dict[str, dict[str, Array]]:
    """Return by answer and part of the observation how sensitive the answer is to every number.

    Derivatives times the standard deviation of the number over the batch, so that numbers of
    different units compare; of images plain derivatives.

    Args:
        model: The model; of one that needs a memory, or whose observations are whole numbers,
            nothing is returned.
        observations: As the network takes them, (n, ...) or a dictionary of them.
    """
    space = model.observation_space
    named = dict(observations) if isinstance(space, spaces.Dict) else {"obs": observations}
    parts = space.spaces if isinstance(space, spaces.Dict) else {"obs": space}
    if not all(isinstance(part, spaces.Box) for part in parts.values()):
        return {}
    tensors = model.policy.obs_to_tensor(observations)[0]
    tensors = dict(tensors) if isinstance(tensors, dict) else {"obs": tensors}
    leaves = {key: x.detach().float().requires_grad_() for key, x in tensors.items()}
    with torch.enable_grad():
        answers = outputs(model, leaves if isinstance(space, spaces.Dict) else leaves["obs"])
        found = {name: sensitivity(answer, leaves) for name, answer in answers.items()}
    scales = {k: np.std(x, axis=0) if np.ndim(x) < 4 else 1.0 for k, x in named.items()}
    return {
        name: {key: sizes * scales[key] for key, sizes in by_part.items()}
        for name, by_part in found.items()
    }
