"""Faulty environments whose inside cannot be looked at, and what may be said of each."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import gymnasium
import numpy as np
from gymnasium import spaces

from faults.environment import Lags

CART, PENDULUM, HOPPER, CHEETAH, BALL = (
    "CartPole-v1", "Pendulum-v1", "Hopper-v5", "HalfCheetah-v5", "ballbot:Ballbot-v0",
)  # fmt: skip
ALL = (CART, PENDULUM, HOPPER, BALL)
PUSHED = (PENDULUM, HOPPER, BALL)
LIMBS = (HOPPER, CHEETAH, BALL)


class Opaque(gymnasium.Env):
    """Owns an environment and shows only what reset and step return."""

    def __init__(self, env):
        self._inside, self.spec = env, env.spec
        self.baselines = getattr(env.unwrapped, "baselines", None)
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self.metadata = env.metadata

    def reset(self, *, seed=None, options=None):
        return self._inside.reset(seed=seed, options=options)

    def step(self, action):
        return self._inside.step(action)

    def close(self):
        self._inside.close()


class Seen(gymnasium.Wrapper):
    """Changes the measurements of an observation, whether it is an array or a dictionary."""

    def reset(self, **kwargs):
        observation, info = self.env.reset(**kwargs)
        self.began()
        return self._changed(observation), info

    def step(self, action):
        observation, *rest = self.env.step(action)
        return self._changed(observation), *rest

    def _changed(self, observation):
        if not isinstance(observation, dict):
            return self.change(observation.copy()).astype(observation.dtype)
        vector = observation["proprioception"]
        return observation | {"proprioception": self.change(vector.copy()).astype(vector.dtype)}

    def began(self):
        """Do nothing; a fault with a memory clears it here."""

    def change(self, vector):
        raise NotImplementedError


class Unbounded(Seen):
    """Declares no bounds, so that the fault shows in nothing but the numbers."""

    def __init__(self, env):
        super().__init__(env)
        space = env.observation_space
        free = space["proprioception"] if isinstance(space, spaces.Dict) else space
        free = spaces.Box(-np.inf, np.inf, free.shape, free.dtype)
        if isinstance(space, spaces.Dict):
            free = spaces.Dict({**space.spaces, "proprioception": free})
        self.observation_space = free


class Clipped(Seen):
    """E07: a clip far too narrow."""

    def change(self, vector):
        return np.clip(vector, -0.02, 0.02)


class Dead(Seen):
    """E08: one number is never filled in."""

    def change(self, vector):
        vector[1] = 0
        return vector


class Huge(Unbounded):
    """E09: one number in another unit."""

    def change(self, vector):
        vector[0] *= 1e4
        return vector


class SometimesNan(Seen):
    """E10: once every 400 observations."""

    count = 0

    def change(self, vector):
        self.count += 1
        if self.count % 400 == 0:
            vector[0] = np.nan
        return vector


class Rounded(Seen):
    """E11: a tenth of each unit is the smallest step."""

    def change(self, vector):
        return np.round(vector * 5) / 5


class NoSpeeds(Seen):
    """E12: speeds are not shown; their places hold the positions once more, halved."""

    keep: dict[int, list[int]] = {4: [0, 2], 3: [0, 1], 11: [0, 1, 2, 3, 4], 17: [*range(8)]}  # noqa: RUF012

    def __init__(self, env):
        super().__init__(env)
        self.kept = self.keep[env.observation_space.shape[0]]
        low, high = (b[self.kept] for b in (env.observation_space.low, env.observation_space.high))
        self.observation_space = spaces.Box(low, high, dtype=env.observation_space.dtype)

    def change(self, vector):
        return vector[self.kept]


class Repeated(Seen):
    """Twice the same."""

    def change(self, vector):
        vector[-1] = vector[0]
        return vector


class Acts(gymnasium.Wrapper):
    """Changes actions on their way."""

    def reset(self, **kwargs):
        self.waiting = []
        return self.env.reset(**kwargs)

    def step(self, action):
        return self.env.step(self.change(action))

    def change(self, action):
        raise NotImplementedError

    @property
    def still(self):
        """The action in the middle."""
        space = self.env.action_space
        if isinstance(space, spaces.Discrete):
            return 0
        return ((space.low + space.high) / 2).astype(space.dtype)


class Ignored(Acts):
    """E13."""

    def change(self, action):
        return self.still


class Inert(Acts):
    """E14: the second number goes nowhere."""

    def change(self, action):
        action = np.array(action)
        action[1] = 0
        return action


class Flipped(Acts):
    """E15."""

    def change(self, action):
        if isinstance(self.env.action_space, spaces.Discrete):
            return self.env.action_space.n - 1 - action
        return -action


class Turned(Acts):
    """E15: numbers are passed on one place further."""

    def change(self, action):
        return np.roll(action, 1)


class Weak(Acts):
    """E17."""

    def change(self, action):
        return (0.01 * action).astype(action.dtype)


class Strong(Acts):
    """E17."""

    def change(self, action):
        space = self.env.action_space
        return np.clip(100 * action, space.low, space.high).astype(action.dtype)


class Late(Acts):
    """An action acts two steps later."""

    def change(self, action):
        self.waiting.append(action)
        return self.waiting.pop(0) if len(self.waiting) > 2 else self.still


class Alike(Acts):
    """Two choices do the same."""

    def change(self, action):
        return min(action, self.env.action_space.n - 2)


class Ends(gymnasium.Wrapper):
    """Changes the flags."""

    def reset(self, **kwargs):
        self.rng = np.random.default_rng(kwargs.get("seed"))
        return self.env.reset(**kwargs)

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        flags = self.change(bool(terminated), bool(truncated))
        return observation, reward, *flags, {k: v for k, v in info.items() if k != "termination"}

    def change(self, terminated, truncated):
        raise NotImplementedError


class NeverEnds(Ends):
    """E19."""

    def change(self, terminated, truncated):
        return False, False


class LimitIsTerminal(Ends):
    """E21."""

    def change(self, terminated, truncated):
        return terminated or truncated, False


class FailureIsTruncated(Ends):
    """E22."""

    def change(self, terminated, truncated):
        return False, terminated or truncated


class FlagsSwapped(Ends):
    """E23."""

    def change(self, terminated, truncated):
        return truncated, terminated


class FalseEnds(Ends):
    """E27: one step in eight counts as a fall."""

    def change(self, terminated, truncated):
        return terminated or self.rng.random() < 1 / 8, truncated


class EndsAtOnce(Ends):
    """E27: the first step counts as a fall."""

    def change(self, terminated, truncated):
        return True, False


class Slows(gymnasium.Wrapper):
    """E29: every step looks through all steps before."""

    def __init__(self, env):
        super().__init__(env)
        self.seen = []

    def step(self, action):
        self.seen.append(0.0)
        for _ in range(1 + len(self.seen) // 1000):
            sum(self.seen)
        return self.env.step(action)


class Swallows(gymnasium.Wrapper):
    """A failure of every tenth step is caught and forgotten."""

    count = 0

    def step(self, action):
        self.count += 1
        try:
            if self.count % 10 == 0:
                raise RuntimeError("solver did not converge")
        except RuntimeError:
            pass
        return self.env.step(action)


class Complains(gymnasium.Wrapper):
    """A warning comes with every tenth step."""

    count = 0

    def step(self, action):
        self.count += 1
        if self.count % 10 == 0:
            warnings.warn("Nan, Inf or huge value in QACC", RuntimeWarning, stacklevel=1)
        return self.env.step(action)


class Leaps(Seen):
    """Only reset scales what it returns."""

    first = True

    def began(self):
        self.first = True

    def change(self, vector):
        if self.first:
            self.first = False
            return vector + 30
        return vector


@dataclass(frozen=True)
class Fault:
    """A fault, and what may be said of it.

    Attributes:
        name: For reports.
        id: Of the benchmark.
        causes: Any of them is right.
        wrapper: Put around the environment.
        envs: In which it shows.
        exact: Whether an identity is violated, so that no threshold is needed.
        oracle: Whether it shows only with an oracle.
        settings: Of gymnasium.make.
    """

    name: str
    id: str
    causes: frozenset[str]
    wrapper: Callable[[gymnasium.Env], gymnasium.Env]
    envs: tuple[str, ...] = ALL
    exact: bool = False
    oracle: bool = False
    settings: dict = field(default_factory=dict)

    def make(self, env):
        """Return the faulty environment; nobody can look inside."""
        return Opaque(self.wrapper(gymnasium.make(env, disable_env_checker=True, **self.settings)))


def _fault(name, identifier, causes, wrapper, envs=ALL, **settings):
    ids = frozenset(f"environment.{cause}" for cause in causes.split())
    return Fault(name, identifier, ids, wrapper, envs, **settings)


FAULTS = [
    _fault("observation lags", "E05", "observation-lags action-delayed", Lags, exact=True),
    _fault(
        "observations clipped", "E07", "observation-saturated", Clipped, (CART, HOPPER, CHEETAH)
    ),
    _fault("dead number", "E08", "observation-dead", Dead, exact=True),
    _fault("huge number", "E09", "observation-scales-differ", Huge),
    _fault(
        "NaN now and then",
        "E10",
        "observation-not-finite",
        SometimesNan,
        exact=True,
    ),
    _fault("rounded", "E11", "observation-quantised", Rounded),
    _fault(
        "no speeds", "E12", "observation-incomplete", NoSpeeds, (CART, PENDULUM, HOPPER, CHEETAH)
    ),
    _fault("repeated", "E12b", "observation-repeated", Repeated, exact=True),
    _fault("action ignored", "E13", "action-ignored", Ignored, exact=True),
    _fault("inert number", "E14", "action-inert", Inert, LIMBS, exact=True),
    _fault("flipped", "E15", "action-sign-flipped", Flipped, (CART, PENDULUM, BALL), oracle=True),
    _fault("permuted", "E15", "action-permuted action-sign-flipped", Turned, (BALL,), oracle=True),
    _fault("weak actions", "E17", "action-too-weak", Weak, (*PUSHED, CHEETAH)),
    _fault("strong actions", "E17", "action-too-strong", Strong, PUSHED),
    _fault("late actions", "E18", "action-delayed observation-lags", Late),
    _fault("two alike", "E16", "actions-alike action-ignored", Alike, (CART, "Acrobot-v1")),
    _fault("never ends", "E19", "never-ends end-not-reported", NeverEnds, (CART, PENDULUM)),
    _fault(
        "limit is terminal", "E21", "limit-reported-as-terminal", LimitIsTerminal, (CART, PENDULUM)
    ),
    _fault(
        "failure is truncated",
        "E22",
        "failure-reported-as-truncated end-flags-swapped",
        FailureIsTruncated,
        (CART, HOPPER, BALL),
    ),
    _fault(
        "flags swapped",
        "E23",
        "end-flags-swapped failure-reported-as-truncated limit-reported-as-terminal",
        FlagsSwapped,
    ),
    _fault("false ends", "E27", "end-unexplained", FalseEnds, (PENDULUM, CHEETAH, "Acrobot-v1")),
    _fault("ends at once", "E27", "episodes-end-at-once end-unexplained", EndsAtOnce),
    _fault("slows down", "E29", "step-time-grows", Slows, (CART, PENDULUM)),
    _fault("swallows", "E30", "exceptions-swallowed", Swallows, exact=True),
    _fault("complains", "E31", "complains", Complains, exact=True),
    _fault("leaps", "E32", "jumps-after-reset", Leaps, (CART, PENDULUM, HOPPER)),
]
