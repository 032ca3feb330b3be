"""Faulty rewards, each hidden in an opaque environment, and what may be said of them."""

from collections import deque
from dataclasses import dataclass

import gymnasium
import numpy as np

CART, PENDULUM, LAKE = "CartPole-v1", "Pendulum-v1", "FrozenLake-v1"
TAXI = "Taxi-v4"
HOPPER, CHEETAH, BALLBOT = "Hopper-v5", "HalfCheetah-v5", "ballbot:Ballbot-v0"


class Opaque(gymnasium.Env):
    """Shows spaces, metadata and specification of what it owns, and no wrapper."""

    def __init__(self, env):
        self.hidden = env
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self.metadata, self.spec = env.metadata, env.spec

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.hidden.reset(seed=seed, options=options)

    def step(self, action):
        return self.hidden.step(action)

    def close(self):
        self.hidden.close()


class Paid(gymnasium.Wrapper):
    """Pays what a subclass computes; `rng` is seeded by every reset with a seed."""

    def __init__(self, env, size=1.0):
        super().__init__(env)
        self.size, self.rng = size, np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.rng = np.random.default_rng(seed + 12345)
        self.last_action, self.t = None, 0
        self.begin()
        return self.env.reset(seed=seed, options=options)

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        info = dict(info)
        self.ended = terminated or truncated
        paid = self.pay(float(reward), action, terminated, info)
        self.last_action, self.t = action, self.t + 1
        return observation, float(paid), terminated, truncated, info

    def begin(self):
        pass


class Scaled(Paid):
    """R01, R02, R03: times a number."""

    def pay(self, reward, action, terminated, info):
        return self.size * reward


class Offset(Paid):
    """R04: a constant per step."""

    def pay(self, reward, action, terminated, info):
        return reward + self.size


class Noise(Paid):
    """R10."""

    def pay(self, reward, action, terminated, info):
        return reward + self.size * self.rng.normal()


class HiddenGoal(Paid):
    """The reward depends on a number drawn at each reset and shown nowhere."""

    def begin(self):
        self.goal = self.rng.normal()

    def pay(self, reward, action, terminated, info):
        return reward + self.size * self.goal


class HiddenPhase(HiddenGoal):
    """The reward swings with a phase that is shown nowhere."""

    def pay(self, reward, action, terminated, info):
        return reward + self.size * np.sin(3 * self.goal + 0.15 * self.t)


class Delayed(Paid):
    """Rewards come some steps late; the first are 0."""

    def begin(self):
        self.waiting = deque([0.0] * int(self.size))

    def pay(self, reward, action, terminated, info):
        self.waiting.append(reward)
        return self.waiting.popleft()


class Batched(Paid):
    """All rewards of some steps are paid at once."""

    def begin(self):
        self.sum = 0.0

    def pay(self, reward, action, terminated, info):
        self.sum += reward
        if (self.t + 1) % int(self.size):
            return 0.0
        paid, self.sum = self.sum, 0.0
        return paid


class Jerk(Paid):
    """Changes of the action cost, and the last action is not observed."""

    def pay(self, reward, action, terminated, info):
        before = action if self.last_action is None else self.last_action
        return reward - self.size * float(np.sum(np.abs(np.subtract(action, before, dtype=float))))


class Clipped(Paid):
    def pay(self, reward, action, terminated, info):
        return np.clip(reward, -self.size, self.size)


class TerminalDropped(Paid):
    """R09."""

    def pay(self, reward, action, terminated, info):
        return 0.0 if terminated else reward


class Nothing(Paid):
    def pay(self, reward, action, terminated, info):
        return 0.0


class Rare(Paid):
    """R07: pays only where the reward is above a bound."""

    def pay(self, reward, action, terminated, info):
        return float(reward > self.size)


class TermGrown(Paid):
    """R05: one term, `term`, is multiplied."""

    term = "reward_ctrl"

    def pay(self, reward, action, terminated, info):
        more = (self.size - 1) * float(info[self.term])
        info[self.term] = self.size * float(info[self.term])
        return reward + more


class TermsCancel(Paid):
    """R06: a bonus takes back what another term gives."""

    def pay(self, reward, action, terminated, info):
        info["reward_bonus"] = -self.size * float(info["reward_forward"])
        return reward + info["reward_bonus"]


@dataclass(frozen=True)
class Fault:
    """A fault and what may be said of it.

    Attributes:
        name: For reports.
        id: In the list of faults.
        causes: Of which one must be named.
        paid: Faulty.
        size: Of the fault, by environment in which it shows.
        exact: Whether an identity is broken.
        oracle: Whether it shows only with an oracle.
    """

    name: str
    id: str
    causes: frozenset[str]
    paid: type[Paid]
    size: dict[str, float]
    exact: bool = False
    oracle: bool = False

    @property
    def envs(self) -> tuple[str, ...]:
        """Environments in which it shows."""
        return tuple(self.size)

    def wrapper(self, env):
        """Return a faulty environment around one of `envs`."""
        sizes = {name.rpartition(":")[2]: size for name, size in self.size.items()}
        return self.paid(env, sizes[env.spec.id])

    def make(self, env):
        """Return the faulty environment, opaque."""
        return Opaque(self.wrapper(gymnasium.make(env, disable_env_checker=True)))


def _fault(name, label, causes, paid, size, *, exact=False, oracle=False):
    named = frozenset(f"reward.{cause}" for cause in causes.split())
    return Fault(name, label, named, paid, size, exact, oracle)


FAULTS = [
    _fault(
        "sign, terms",
        "R01",
        "sign-flipped",
        Scaled,
        dict.fromkeys([HOPPER, CHEETAH, BALLBOT], -1.0),
        exact=True,
    ),
    _fault("sign, every step costs", "R01", "ending-pays sign-flipped", Scaled, {CART: -1.0}),
    _fault(
        "too large",
        "R02",
        "too-large",
        Scaled,
        {CART: 100.0, PENDULUM: 100.0, HOPPER: 1000.0, CHEETAH: 1000.0, BALLBOT: 1000.0},
    ),
    _fault(
        "too small",
        "R03",
        "too-small",
        Scaled,
        {CART: 1e-3, PENDULUM: 1e-4, HOPPER: 1e-3, CHEETAH: 1e-3, BALLBOT: 1e-3},
    ),
    _fault(
        "cost per step",
        "R04",
        "ending-pays offset",
        Offset,
        {CART: -2.0, HOPPER: -5.0, BALLBOT: -1.0},
    ),
    _fault("pay per step", "R04", "lingering-pays", Offset, {TAXI: 2.0}),
    _fault("effort", "R05", "effort-dominates", TermGrown, {HOPPER: 1e5, CHEETAH: 1e4}),
    _fault("cancel", "R06", "terms-cancel", TermsCancel, {HOPPER: 0.98, CHEETAH: 0.98}),
    _fault("rare", "R07", "sparse constant", Rare, {PENDULUM: -0.02, HOPPER: 2.5, CHEETAH: 1.5}),
    _fault(
        "nothing", "R07", "constant", Nothing, dict.fromkeys([CART, PENDULUM, HOPPER, BALLBOT], 0.0)
    ),
    _fault(
        "terminal dropped, terms",
        "R09",
        "terminal-dropped",
        TerminalDropped,
        {HOPPER: 0.0, BALLBOT: 0.0},
        exact=True,
    ),
    _fault("terminal dropped", "R09", "terminal-zero", TerminalDropped, {CART: 0.0}),
    _fault(
        "noise",
        "R10",
        "random noise-drowns-actions",
        Noise,
        {CART: 3.0, PENDULUM: 10.0, HOPPER: 5.0, CHEETAH: 3.0, BALLBOT: 0.5, LAKE: 1.0},
    ),
    _fault(
        "hidden goal",
        "R11",
        "not-observable",
        HiddenGoal,
        {CART: 3.0, PENDULUM: 10.0, HOPPER: 3.0, BALLBOT: 0.5},
    ),
    _fault(
        "hidden phase",
        "R11",
        "not-observable",
        HiddenPhase,
        {CART: 1.0, PENDULUM: 15.0, CHEETAH: 3.0},
    ),
    _fault(
        "delay",
        "R13",
        "delayed",
        Delayed,
        {CART: 3, PENDULUM: 5, HOPPER: 3, CHEETAH: 5, BALLBOT: 4},
    ),
    _fault(
        "batched",
        "R13",
        "delayed",
        Batched,
        {CART: 4, PENDULUM: 10, HOPPER: 4, CHEETAH: 10, BALLBOT: 5},
    ),
    _fault(
        "jerk",
        "R13",
        "history-dependent",
        Jerk,
        {CART: 0.5, PENDULUM: 3.0, CHEETAH: 0.3, BALLBOT: 0.1},
    ),
    _fault(
        "clipped",
        "R17",
        "clipped",
        Clipped,
        {PENDULUM: 1.0, HOPPER: 1.0, CHEETAH: 0.5, BALLBOT: 0.1},
    ),
    _fault("sign", "R01", "sign-flipped", Scaled, {PENDULUM: -1.0, CART: -1.0}, oracle=True),
]
"""Those without `oracle` show with random actions alone, without a metric or a trained policy."""
