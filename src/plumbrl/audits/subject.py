"""What is audited, with the samples that several checks share."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import gymnasium

from plumbrl.audits.budget import Budget
from plumbrl.audits.ends import time_limit
from plumbrl.audits.restore import MakeEnv
from plumbrl.audits.sample import Policy, Sample, collect
from plumbrl.audits.vector import MakeVector

MakePolicy = Callable[[gymnasium.Env], Policy | None]
"""Called with the environment that the policy is to act in; None where it has no policy for it."""
EPISODES, STEPS = 100, 20_000
"""Of the random baseline, at most; a budget may end it before."""


@dataclass
class Subject:
    """An environment, what may act in it, and how long we may look.

    Attributes:
        name: For the report.
        make_env: Returns a new environment at each call.
        policy: Makes the trained policy; None if there is none.
        oracle: Makes a policy that is known to do the task; None if there is none.
        make_vector: Returns a new vector of environments; None if there is none.
        metric: Key of a number in the infos that says how well the task is done, higher is better;
            a leading ``-`` turns it round. Empty if unknown.
        gamma: Discount of the trainer.
        rollout: Steps of each environment between updates; None if unknown.
        seed: First of the seeds used.
        budget: Seconds for everything.
    """

    name: str
    make_env: MakeEnv
    policy: MakePolicy | None = None
    oracle: MakePolicy | None = None
    make_vector: MakeVector | None = None
    metric: str = ""
    gamma: float = 0.99
    rollout: int | None = None
    seed: int = 0
    budget: Budget = field(default_factory=lambda: Budget(60.0))

    @cached_property
    def random(self) -> Sample:
        """Random actions: up to 100 episodes or 20,000 steps, in a quarter of the budget."""
        return collect(
            self.make_env,
            steps=STEPS, episodes=EPISODES, seed=self.seed, budget=self.budget.part(0.25),
        )  # fmt: skip

    @cached_property
    def trained(self) -> Sample | None:
        """The trained policy on the first of the random baseline's seeds."""
        return self._acting(self.policy)

    @cached_property
    def expert(self) -> Sample | None:
        """The oracle on the first of the random baseline's seeds."""
        return self._acting(self.oracle)

    @cached_property
    def limit(self) -> int | None:
        """Steps after which a wrapper or the specification ends an episode; None if unknown."""
        with closing(self.make_env()) as env:
            return time_limit(env) or getattr(env.spec, "max_episode_steps", None)

    @cached_property
    def spaces(self) -> tuple[gymnasium.Space, gymnasium.Space]:
        """Spaces of observations and actions."""
        with closing(self.make_env()) as env:
            return env.observation_space, env.action_space

    def _acting(self, make: MakePolicy | None) -> Sample | None:
        if make is None:
            return None
        with closing(self.make_env()) as env:
            if make(env) is None:
                return None
        acting = _Acting()

        def make_env() -> gymnasium.Env:
            env = self.make_env()
            acting.policy = cast(Policy, make(env))
            return env

        return collect(
            make_env, policy=acting,
            steps=STEPS, episodes=30, seed=self.seed, budget=self.budget.part(0.3),
        )  # fmt: skip


class _Acting:
    """A policy that is made once its environment exists."""

    policy: Policy

    def __call__(self, observation: Any) -> Any:
        return self.policy(observation)

    def reset(self) -> None:
        getattr(self.policy, "reset", lambda: None)()
