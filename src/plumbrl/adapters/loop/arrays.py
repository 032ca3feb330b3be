"""What a hand-written loop has at hand, as snapshots: arrays or tensors, of shapes that fit."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbrl.errors import UserError
from plumbrl.snapshots.numbers import Bounds, Draw, Rollout

Array = np.ndarray
NEEDED = ("rewards", "values", "advantages", "returns", "dones")
STEP_BY_STEP = ("rewards", "values", "advantages", "returns", "dones", "log_probs", "valid")


def array(name: str, value: Any) -> Array:
    """Return an array or tensor, on whatever device, as float64.

    Raises:
        UserError: It holds no numbers.
    """
    try:
        plain = _plain(value)
        if value is None or np.iscomplexobj(plain):
            raise TypeError
        return np.asarray(plain, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise UserError(f"{name} is of type {type(value).__name__} and holds no numbers.") from None


def _plain(value: Any) -> Any:
    """Lists may hold tensors."""
    if hasattr(value, "detach"):
        found = value.detach().cpu()
        return found if found.is_complex() else found.double()
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def arrays_of(given: Mapping[str, Any]) -> dict[str, Array]:
    """Return the parts of a rollout that are there, (T, B) each, actions (T, B, ...).

    Args:
        given: By name; ``next_done`` says that ``dones`` are CleanRL's: of the step before.

    Raises:
        UserError: A part that is needed is None, or a shape does not fit that of the rewards.
    """
    for key in NEEDED:
        if given.get(key) is None:
            raise UserError(f"rollout() needs {key}; got None.")
    found = {key: array(key, value) for key, value in given.items() if value is not None}
    found = {key: _by_env(part) if key in STEP_BY_STEP else part for key, part in found.items()}
    shape = found["rewards"].shape
    if len(shape) != 2 or not found["rewards"].size:
        raise UserError(f"rewards has shape {shape}, not (steps, environments).")
    for key in STEP_BY_STEP:
        if key in found and found[key].shape != shape:
            raise misfit(key, found[key].shape, shape)
    if "actions" in found and found["actions"].shape[:2] != shape:
        found["actions"] = np.expand_dims(np.atleast_1d(found["actions"]), 1)
        if found["actions"].shape[:2] != shape:
            raise misfit("actions", np.shape(given["actions"]), shape)
    if "next_done" in found:
        found["dones"] = _ends(found["dones"], found.pop("next_done"))
    return found


def rollout_of(found: Mapping[str, Array], gamma: float, bounds: Bounds | None) -> Rollout | None:
    """Return a rollout without the steps that are not valid; None where no step is left.

    Environments may have lost differently many, so that all are cut at the front to as many steps
    as the shortest has.
    """
    parts = {key: part for key, part in found.items() if key != "valid"}
    if "valid" in found:
        parts = _cut(parts, found["valid"] > 0)
    rewards = parts["rewards"]
    if not rewards.size:
        return None
    return Rollout(
        rewards=rewards,
        values=parts["values"],
        advantages=parts["advantages"],
        returns=parts["returns"],
        episode_ends=parts["dones"] > 0,
        actions=parts.get("actions", np.zeros_like(rewards)),
        log_probs=parts.get("log_probs", np.full_like(rewards, np.nan)),
        gamma=gamma,
        bounds=bounds if "actions" in parts else None,
    )


def draw_of(given: Mapping[str, Any], gamma: float) -> Draw:
    """Return transitions that a gradient step was made on.

    Args:
        given: ``q_values`` of the stored actions, (n,), (n, C) or one (n,) per critic; ``rewards``
            and ``terminal``, (n,); perhaps ``targets`` and ``log_probs``, (n,), ``actions`` that
            the policy takes, (n, A) in [-1, 1], and ``alpha``.
        gamma: Discount factor.

    Raises:
        UserError: A shape does not fit that of the Q-values.
    """
    q_values = _by_critic(given["q_values"])
    n = len(q_values)
    flat = {}
    for key in ("rewards", "terminal", "targets", "log_probs"):
        if given.get(key) is not None:
            part = array(key, given[key])
            if part.size != n or part.ndim > 2:
                raise misfit(key, part.shape, (n,), "q_values")
            flat[key] = part.ravel()
    actions = None if given.get("actions") is None else array("actions", given["actions"])
    if actions is not None and (actions.ndim != 2 or len(actions) != n):
        raise misfit("actions", actions.shape, (n, "A"), "q_values")
    alpha = np.zeros(1) if given.get("alpha") is None else array("alpha", given["alpha"])
    return Draw(
        rewards=flat["rewards"],
        terminal=flat["terminal"] > 0,
        q_values=q_values,
        targets=flat.get("targets"),
        gamma=gamma,
        actions=actions,
        log_probs=flat.get("log_probs"),
        alpha=float(alpha.mean()) if alpha.size else 0.0,
    )


def first_bad(found: Mapping[str, Array], what: str) -> str:
    """Return in words which array is not finite first; empty if all are where they are valid."""
    valid = found.get("valid")
    for key, part in found.items():
        bad = ~np.isfinite(part)
        if valid is not None:
            bad[valid <= 0] = False
        if bad.any():
            return f"{key} of the {what}, step {int(np.argwhere(bad)[0][0])} of it"
    return ""


def _by_env(part: Array) -> Array:
    """One environment may lack its dimension, and a network's output has one too many."""
    if part.ndim == 1:
        return part[:, None]
    return part[..., 0] if part.ndim == 3 and part.shape[2] == 1 else part


def _by_critic(value: Any) -> Array:
    if isinstance(value, tuple | list) and len(value) and np.ndim(value[0]):
        parts = [array("q_values", part).ravel() for part in value]
        if len({len(part) for part in parts}) != 1:
            sizes = ", ".join(str(len(part)) for part in parts)
            raise UserError(f"q_values has critics of different lengths: {sizes}.")
        return np.stack(parts, axis=1)
    whole = array("q_values", value)
    if whole.ndim not in (1, 2) or not whole.size:
        raise UserError(f"q_values has shape {whole.shape}, not (n,) or (n, critics).")
    return whole.reshape(len(whole), -1)


def _ends(dones: Array, next_done: Array) -> Array:
    """CleanRL keeps whether the step before ended an episode, and that of the last one apart."""
    if next_done.size != dones.shape[1]:
        raise misfit("next_done", next_done.shape, (dones.shape[1],))
    return np.concatenate([dones[1:], next_done.reshape(1, -1)])


def _cut(parts: Mapping[str, Array], valid: Array) -> dict[str, Array]:
    rows = [np.flatnonzero(column) for column in valid.T]
    least = min(len(each) for each in rows)
    t = np.stack([each[len(each) - least :] for each in rows], axis=1)
    b = np.arange(valid.shape[1])
    return {key: part[t, b] for key, part in parts.items()}


def misfit(
    name: str, shape: tuple[int, ...], wanted: tuple[Any, ...], like: str = "rewards"
) -> UserError:
    """Return the error of a shape that does not fit."""
    size = f"({', '.join(map(str, wanted))}{',' * (len(wanted) == 1)})"
    return UserError(f"{name} has shape {tuple(shape)}, but {size} is needed beside {like}.")
