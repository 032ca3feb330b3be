"""The numbers of a run over its timesteps, whoever wrote them down."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from plumbrl.errors import unknown

Array = np.ndarray


@dataclass(frozen=True)
class Facts:
    """What is known about a run besides its numbers; None where it is not.

    Attributes:
        algo: Name of the algorithm, such as ``PPO``.
        env: Id of the environment.
        gamma: Discount factor per step.
        gae_lambda: Lambda of generalised advantage estimation.
        num_envs: Environments that are stepped together.
        total_timesteps: Timesteps that the training was meant to last, summed over environments.
        rollout: Timesteps collected for one update, summed over environments.
        clip_range: Of PPO, at the start.
        target_kl: Of PPO, where updates stop early.
        max_grad_norm: Gradients are scaled down to it.
        learning_rate: At the start.
        ent_coef: Weight of the entropy bonus at the start; None if it is tuned, too.
        target_entropy: That the entropy coefficient is tuned to, if it is.
        buffer_size: Rows of the replay buffer.
        batch_size: Samples in a gradient step.
        n_epochs: How often an update goes through its rollout.
        actions: Number of discrete actions.
        action_dims: Dimensions of a continuous action.
        max_episode_steps: Limit on the length of an episode.
        random_return: Mean return of random actions, where it was measured.
        random_std: Standard deviation of these returns over episodes.
    """

    algo: str | None = None
    env: str | None = None
    gamma: float | None = None
    gae_lambda: float | None = None
    num_envs: int | None = None
    total_timesteps: int | None = None
    rollout: int | None = None
    clip_range: float | None = None
    target_kl: float | None = None
    max_grad_norm: float | None = None
    learning_rate: float | None = None
    ent_coef: float | None = None
    target_entropy: float | None = None
    buffer_size: int | None = None
    batch_size: int | None = None
    n_epochs: int | None = None
    actions: int | None = None
    action_dims: int | None = None
    max_episode_steps: int | None = None
    random_return: float | None = None
    random_std: float | None = None

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Facts":
        """Return facts from plain data; what is not known here is left out."""
        names = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in plain.items() if key in names})


class History(Mapping[str, Array]):
    """Numbers by name, one per row, NaN where a row has none.

    Names are SB3's where SB3 has one (``rollout/ep_rew_mean``, ``train/approx_kl``).

    Args:
        steps: Timesteps of every row, not decreasing, (n,).
        columns: Arrays of the same length.
        facts: What else is known about the run.
        source: Where it was read, in words.
        notes: What a reader had to leave out or mend, a sentence each.
        undefined: Columns in which NaN was written, and never a number.

    Raises:
        ValueError: Lengths differ.
    """

    def __init__(
        self,
        steps: Array,
        columns: Mapping[str, Array],
        *,
        facts: Facts | None = None,
        source: str = "",
        notes: tuple[str, ...] = (),
        undefined: frozenset[str] = frozenset(),
    ) -> None:
        self.steps = np.asarray(steps, dtype=np.float64)
        self._columns = {k: np.asarray(v, dtype=np.float64) for k, v in columns.items()}
        wrong = [key for key, column in self._columns.items() if column.shape != self.steps.shape]
        if wrong:
            raise ValueError(f"{wrong[0]} is not as long as the steps")
        self.facts, self.source, self.notes = facts or Facts(), source, notes
        self.undefined = undefined

    def __getitem__(self, key: str) -> Array:
        """Return a column, (n,)."""
        if key not in self._columns:
            raise unknown("column", key, self._columns)
        return self._columns[key]

    def __contains__(self, key: object) -> bool:
        return key in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.steps)

    def points(self, key: str) -> tuple[Array, Array]:
        """Return timesteps and values of those rows that have the key; none if no row has.

        Infinities count as values, NaN does not.
        """
        if key not in self:
            return np.empty(0), np.empty(0)
        known = ~np.isnan(self[key])
        return self.steps[known], self[key][known]

    def named(self, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix, such as ``reward/``."""
        return sorted(key for key in self if key.startswith(prefix))
