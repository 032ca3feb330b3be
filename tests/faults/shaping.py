"""Faulty reward shaping, each with one mistake, and a rollout of any shaping."""

from dataclasses import dataclass

import gymnasium
import numpy as np

from plumbrl.shaping import PotentialShaping
from plumbrl.snapshots.shaping import ShapingRollout


class Faulty(PotentialShaping):
    """Shaping by `term(phi, next phi, terminated, truncated)` of a subclass."""

    def step(self, action):
        phi = self._phi
        observation, _, terminated, truncated, info = super().step(action)
        after = float(self.potential(observation))
        info["reward_shaping"] = self.term(phi, after, terminated, truncated)
        reward = info["reward_unshaped"] + info["reward_shaping"]
        return observation, reward, terminated, truncated, info


class TerminalKept(Faulty):
    def term(self, phi, after, terminated, truncated):
        return self.gamma * after - phi


class WithoutGamma(Faulty):
    def term(self, phi, after, terminated, truncated):
        return after * (not terminated) - phi


class WithoutGammaOrTerminal(Faulty):
    def term(self, phi, after, terminated, truncated):
        return after - phi


class ZeroAtTruncation(Faulty):
    def term(self, phi, after, terminated, truncated):
        return self.gamma * after * (not (terminated or truncated)) - phi


class SignFlipped(Faulty):
    def term(self, phi, after, terminated, truncated):
        return phi - self.gamma * after * (not terminated)


class PotentialItself(Faulty):
    """Pays for being somewhere, not for getting there."""

    def term(self, phi, after, terminated, truncated):
        return after


class OnlyProgress(Faulty):
    """Pays for steps up, and nothing for steps down: running in circles earns."""

    def term(self, phi, after, terminated, truncated):
        return max(0.0, self.gamma * after * (not terminated) - phi)


@dataclass(frozen=True)
class Fault:
    """A fault, and the cause to be named where potentials are known."""

    name: str
    wrapper: type[PotentialShaping]
    cause: str


FAULTS = [
    Fault("terminal kept", TerminalKept, "reward.shaping-not-zero-at-terminal"),
    Fault("without gamma", WithoutGamma, "reward.shaping-without-gamma"),
    Fault("no gamma, terminal", WithoutGammaOrTerminal, "reward.shaping-without-gamma"),
    Fault("zero at truncation", ZeroAtTruncation, "reward.shaping-zero-at-truncation"),
    Fault("sign", SignFlipped, "reward.shaping-sign-flipped"),
    Fault("potential itself", PotentialItself, "reward.shaping-not-potential-based"),
    Fault("only progress", OnlyProgress, "reward.shaping-not-potential-based"),
]


def collect(wrapper, make, potential, *, gamma=0.9, steps=200, seed=0, discrete=True):
    """Random actions in two environments that are reset when an episode ends."""
    columns = [
        _column(wrapper(make(), potential, gamma), potential, steps, seed + 10 * b, discrete)
        for b in range(2)
    ]
    names = columns[0].keys()
    return ShapingRollout(
        gamma=gamma,
        **{name: np.stack([column[name] for column in columns], axis=1) for name in names},
    )


def _column(env: gymnasium.Env, potential, steps, seed, discrete):
    env.action_space.seed(seed)
    observation, _ = env.reset(seed=seed)
    seen, finals, rows = [observation], [], []
    for _ in range(steps):
        observation, _, terminated, truncated, info = env.step(env.action_space.sample())
        rows.append((info["reward_shaping"], terminated, truncated))
        finals.append(observation)
        if terminated or truncated:
            observation, _ = env.reset()
        seen.append(observation)
    shaping, terminated, truncated = (np.array(part) for part in zip(*rows, strict=True))
    column = {
        "shaping": shaping,
        "terminated": terminated,
        "truncated": truncated,
        "potentials": np.array([potential(o) for o in seen]),
        "final_potentials": np.array([potential(o) for o in finals]),
    }
    if discrete:
        column |= {"states": np.array(seen), "final_states": np.array(finals)}
    return column
