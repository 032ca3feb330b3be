"""Where the time of a training goes: environment, policy, learner."""

import time
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

PARTS = ("env", "policy", "learn")


class TimedVecEnv(VecEnvWrapper):
    """Adds up the wall time of steps.

    Attributes:
        seconds: In steps and resets so far.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.seconds = 0.0

    def reset(self) -> Any:
        """Reset."""
        begin = time.perf_counter()
        obs = self.venv.reset()
        self.seconds += time.perf_counter() - begin
        return obs

    def step_async(self, actions: Any) -> None:
        """Begin a step."""
        begin = time.perf_counter()
        self.venv.step_async(actions)
        self.seconds += time.perf_counter() - begin

    def step_wait(self) -> Any:
        """Finish a step."""
        begin = time.perf_counter()
        result = self.venv.step_wait()
        self.seconds += time.perf_counter() - begin
        return result


class Stopwatch(BaseCallback):
    """Logs ``time/env``, ``time/policy`` and ``time/learn``: seconds since the training began.

    `policy` is what collecting takes beside the environment; `learn` is everything between two
    rollouts.

    Args:
        env: The environment that keeps its own time.
    """

    def __init__(self, env: TimedVecEnv) -> None:
        super().__init__()
        self._env = env
        self._rollouts = 0.0
        self._begin = self._started = time.perf_counter()
        self._env_begin = env.seconds

    @property
    def split(self) -> dict[str, float]:
        """Seconds by part so far."""
        total = time.perf_counter() - self._started
        env = self._env.seconds - self._env_begin
        parts = (env, self._rollouts - env, total - self._rollouts)
        return {name: max(0.0, part) for name, part in zip(PARTS, parts, strict=True)}

    def _on_training_start(self) -> None:
        self._started = time.perf_counter()
        self._env_begin = self._env.seconds

    def _on_rollout_start(self) -> None:
        self._begin = time.perf_counter()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._rollouts += time.perf_counter() - self._begin
        for name, seconds in self.split.items():
            self.logger.record(f"time/{name}", round(seconds, 3))
