"""Settings of algorithms with replay, target networks, learnt entropy or epsilon."""

from math import log

from plumbrl.findings import Evidence
from plumbrl.oracles.setting_rules import Problem, Rule, known
from plumbrl.snapshots.settings import Settings

FEWEST_UPDATES, MOST_UPDATES = 0.01, 20.0
"""Gradient steps per timestep: Atari's DQN has 0.25, SAC 1, algorithms made for it up to 20."""
ENOUGH_REPLAY = 10_000
"""Transitions; tuned settings of small tasks have no fewer."""
FASTEST_DECAY = 0.002
"""Share of the training; tuned settings of DQN take 0.05 to 0.3, QR-DQN's default is 0.005."""


def _learning_starts(s: Settings) -> Problem | None:
    starts, total = known(s.learning_starts), known(s.total_timesteps)
    share = starts / max(total, 1)
    evidence = Evidence("share of the budget before the first update", share, "below 0.5")
    reason = f"the first update comes after {starts} of {total} timesteps"
    if starts >= total:
        return Problem("configuration.learning-never-starts", reason, evidence)
    if share > 0.5:
        return Problem("configuration.learning-starts-late", reason, evidence, 0.8)
    return None


def _replay_size(s: Settings) -> Problem | None:
    size, batch, total = known(s.buffer_size), known(s.batch_size), s.total_timesteps
    if size < batch:
        reason = f"{size} transitions are kept, minibatches take {batch}"
        evidence = Evidence("transitions in the replay buffer", size, f"at least {batch}")
        return Problem("configuration.replay-too-small", reason, evidence)
    if total is None or size >= min(ENOUGH_REPLAY, total / 10):
        return None
    reason = f"{size} of {total} transitions are kept"
    evidence = Evidence("transitions in the replay buffer", size, f"at least {ENOUGH_REPLAY}")
    return Problem("configuration.replay-too-small", reason, evidence, 0.7)


def _replay_ratio(s: Settings) -> Problem | None:
    ratio = known(s.updates_per_step)
    expected = f"{FEWEST_UPDATES:g} to {MOST_UPDATES:g}"
    evidence = Evidence("gradient steps per timestep", ratio, expected)
    reason = f"there are {ratio:.3g} gradient steps per timestep"
    if ratio < FEWEST_UPDATES:
        return Problem("configuration.replay-ratio-low", reason, evidence, 0.7)
    if ratio > MOST_UPDATES:
        return Problem("configuration.replay-ratio-high", reason, evidence, 0.7)
    return None


def _tau(s: Settings) -> Problem | None:
    tau, interval = known(s.tau), known(s.target_interval)
    evidence = Evidence("tau", tau, "above 0, at most 1")
    if not 0 <= tau <= 1:
        return Problem("configuration.tau-out-of-range", f"tau is {tau:g}", evidence)
    if tau == 0:
        reason = "tau is 0: the target network keeps its first weights"
        return Problem("configuration.target-never-updated", reason, evidence)
    if tau == 1 and interval <= 1:
        reason = "the target network is copied at every gradient step"
        return Problem("configuration.target-is-online", reason, evidence)
    return None


def _target_interval(s: Settings) -> Problem | None:
    interval, ratio = known(s.target_interval), known(s.updates_per_step)
    updates = ratio * max(0, known(s.total_timesteps) - (s.learning_starts or 0))
    if interval <= updates or updates == 0:
        return None
    evidence = Evidence("gradient steps between target updates", interval, f"below {updates:.0f}")
    reason = f"the target is updated every {interval:.0f} gradient steps; there are {updates:.0f}"
    return Problem("configuration.target-never-updated", reason, evidence)


def _target_entropy(s: Settings) -> Problem | None:
    """The uniform distribution on [-1, 1]^d has the most entropy: d log 2."""
    target, dimension = known(s.target_entropy), known(s.action_dimension)
    highest = dimension * log(2)
    if target <= highest:
        return None
    evidence = Evidence("target entropy", target, f"at most {highest:.3g}; usual {-dimension}")
    reason = f"no policy of {dimension} actions in [-1, 1] has an entropy of {target:g}"
    sign = target == dimension
    cause = "target-entropy-sign-flipped" if sign else "target-entropy-unreachable"
    return Problem(f"configuration.{cause}", reason, evidence)


def _epsilon(s: Settings) -> Problem | None:
    start, end = known(s.epsilon_start), known(s.epsilon_end)
    fraction = known(s.epsilon_fraction)
    reason = f"random actions go from {start:g} to {end:g} in {fraction:g} of the training"
    at_last = start + (end - start) / max(1.0, fraction)
    if at_last > 0.5:
        evidence = Evidence("share of random actions in the end", at_last, "0.01 to 0.1")
        return Problem("configuration.exploration-never-decays", reason, evidence, 0.9)
    if max(start, end) < 0.01:
        evidence = Evidence("largest share of random actions", max(start, end), "1 at first")
        return Problem("configuration.exploration-missing", reason, evidence, 0.9)
    if fraction < FASTEST_DECAY and start > end:
        evidence = Evidence("share of the training with decay", fraction, f">= {FASTEST_DECAY:g}")
        return Problem("configuration.exploration-decays-early", reason, evidence, 0.8)
    return None


REPLAY_RULES = (
    Rule("learning starts in time", ("learning_starts", "total_timesteps"), _learning_starts),
    Rule("size of the replay buffer", ("buffer_size", "batch_size"), _replay_size),
    Rule("updates per timestep", ("updates_per_step",), _replay_ratio),
    Rule("target network follows slowly", ("tau", "target_interval"), _tau),
    Rule(
        "target network is updated", ("target_interval", "updates_per_step", "total_timesteps"),
        _target_interval,
    ),
    Rule("target entropy can be reached", ("target_entropy", "action_dimension"), _target_entropy),
    Rule("epsilon schedule", ("epsilon_start", "epsilon_end", "epsilon_fraction"), _epsilon),
)  # fmt: skip
