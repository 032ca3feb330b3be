"""Settings against one another, before the first step; what is unknown is skipped, and said.

Where a number is compared with a band, the band leaves ample room around published tunings: it is
there for slips of a factor of a hundred, not for taste.
"""

from plumbrl.findings import Evidence
from plumbrl.oracles.compare import Outcome
from plumbrl.oracles.replay_settings import REPLAY_RULES
from plumbrl.oracles.setting_rules import Problem, Rule, known
from plumbrl.snapshots.settings import Settings

LEARNING_RATES = (1e-5, 1e-2)
"""All of rl-zoo3's tuned settings lie inside."""
SHORTEST, LONGEST = 0.015, 30.0
"""Horizon over episode length; rl-zoo3's tuned settings lie between 0.02 and 10."""
USUAL_GAMMA = 0.99
"""Atari's horizon of 100 steps is short against its episodes, and works: rewards are dense."""
SMALLEST_CLIP = 1e-3
"""Gradients of healthy updates are 0.01 and more; usual clips are 0.5 to 10."""

LARGEST_BONUS = 0.5
"""Times the entropy in nats, against advantages of about 1; published weights end at 0.1."""
SMALLEST_RATIO = 0.01
"""Published clip ranges are 0.1 to 0.4."""


def check_settings(settings: Settings) -> list[Outcome]:
    """Apply every rule to the settings of a trainer."""
    return [rule(settings) for rule in (*RULES, *REPLAY_RULES)]


def _ranges(s: Settings) -> Problem | None:
    for name in ("gamma", "gae_lambda"):
        value = getattr(s, name)
        if value is not None and not 0 <= value <= 1:
            evidence = Evidence(name, value, "0 to 1")
            return Problem("configuration.discount-out-of-range", f"{name} is {value:g}", evidence)
    return None


def _horizon(s: Settings) -> Problem | None:
    gamma, length = known(s.gamma), known(s.episode_length)
    if not 0 <= gamma <= 1:
        return None
    horizon = 1 / (1 - gamma) if gamma < 1 else float("inf")
    ratio = horizon / max(length, 1.0)
    evidence = Evidence("horizon over episode length", ratio, f"{SHORTEST:g} to {LONGEST:g}")
    reason = f"gamma {gamma:g} looks {horizon:.3g} steps ahead, episodes last {length:.3g}"
    if ratio < SHORTEST and gamma < USUAL_GAMMA:
        return Problem("configuration.horizon-too-short", reason, evidence, 0.6)
    if ratio > LONGEST:
        return Problem("configuration.horizon-too-long", reason, evidence, 0.5)
    return None


def _minibatch(s: Settings) -> Problem | None:
    size, batch = known(s.n_steps) * known(s.num_envs), known(s.batch_size)
    left = size % batch if size > batch else 0  # a rollout may be one minibatch
    reason = f"{size} samples by {batch} leave a minibatch of {left}"
    evidence = Evidence("samples in the last minibatch", left, f"{batch}")
    if left == 1:
        return Problem("configuration.minibatch-of-one", reason, evidence)
    return Problem("configuration.truncated-minibatch", reason, evidence) if left else None


def _schedule(s: Settings) -> Problem | None:
    rates = known(s.learning_rates)
    lowest = float(rates.min())
    if lowest < 0:
        evidence = Evidence("lowest learning rate", lowest, "at least 0")
        reason = f"the schedule falls to {lowest:g}"
        return Problem("configuration.learning-rate-negative", reason, evidence)
    idle = 0
    while idle < len(rates) and rates[-1 - idle] == 0:
        idle += 1
    if idle < 2:  # exactly at the end it may be 0
        return None
    share = idle / len(rates)
    evidence = Evidence("share of the training at learning rate 0", share, "0")
    reason = f"the last {share:.0%} of the training change nothing"
    return Problem("configuration.learning-rate-zero-early", reason, evidence)


def _learning_rate(s: Settings) -> Problem | None:
    highest, (low, high) = float(known(s.learning_rates).max()), LEARNING_RATES
    if highest <= 0 or low <= highest <= high:
        return None
    evidence = Evidence("highest learning rate", highest, f"{low:g} to {high:g}")
    reason = f"the learning rate is {highest:g}"
    return Problem("configuration.learning-rate-unusual", reason, evidence, 0.6)


def _entropy(s: Settings) -> Problem | None:
    weight, reason = known(s.ent_coef), f"ent_coef is {s.ent_coef:g}"
    if weight < 0:
        evidence = Evidence("entropy coefficient", weight, "at least 0")
        return Problem("configuration.entropy-bonus-negative", reason, evidence)
    on_policy = s.n_steps is not None  # elsewhere it is a temperature, in units of reward
    if not on_policy or weight <= LARGEST_BONUS:
        return None
    evidence = Evidence("entropy coefficient", weight, f"at most {LARGEST_BONUS:g}")
    return Problem("configuration.entropy-bonus-large", reason, evidence, 0.6)


def _clip_range(s: Settings) -> Problem | None:
    ratio = known(s.clip_range)
    if ratio >= SMALLEST_RATIO:
        return None
    evidence = Evidence("clip_range", ratio, f"at least {SMALLEST_RATIO:g}")
    reason = f"updates lose their gradient once they change a probability by {ratio:.2%}"
    return Problem("configuration.clip-range-tiny", reason, evidence, 0.6)


def _clip(s: Settings) -> Problem | None:
    norm = known(s.max_grad_norm)
    if norm >= SMALLEST_CLIP:
        return None
    evidence = Evidence("max_grad_norm", norm, f"at least {SMALLEST_CLIP:g}")
    reason = f"gradients are cut to a norm of {norm:g}"
    return Problem("configuration.gradient-clip-tiny", reason, evidence, 0.9)


def _normaliser_gamma(s: Settings) -> Problem | None:
    normaliser, gamma = known(s.normaliser), known(s.gamma)
    if not normaliser.rewards or normaliser.gamma == gamma:
        return None
    evidence = Evidence("gamma of the normaliser", normaliser.gamma, f"{gamma:g}")
    reason = f"rewards are scaled for gamma {normaliser.gamma:g}, learnt with {gamma:g}"
    return Problem("configuration.normaliser-gamma-differs", reason, evidence)


def _eval_observations(s: Settings) -> Problem | None:
    train, judge = known(s.normaliser).observations, known(s.eval_normaliser).observations
    if train == judge:
        return None
    scaled, plain = ("training", "evaluation") if train else ("evaluation", "training")
    evidence = Evidence("environments that scale observations", 1, "both or none", "", scaled)
    reason = f"observations are scaled in {scaled}, not in {plain}"
    return Problem("evaluation.observations-scaled-differently", reason, evidence)


def _eval_rewards(s: Settings) -> Problem | None:
    if not known(s.eval_normaliser).rewards:
        return None
    evidence = Evidence("evaluation environments with scaled rewards", 1, "0")
    return Problem("evaluation.rewards-scaled", "evaluation returns are scaled", evidence)


def _eval_statistics(s: Settings) -> Problem | None:
    judge = known(s.eval_normaliser)
    if not (judge.training and (judge.observations or judge.rewards)):
        return None
    evidence = Evidence("evaluation environments that update statistics", 1, "0")
    reason = "evaluation updates the normaliser's statistics"
    return Problem("evaluation.statistics-updated", reason, evidence)


def _eval_seeds(s: Settings) -> Problem | None:
    shared = sorted(set(known(s.seeds)) & set(known(s.eval_seeds)))
    if not shared:
        return None
    evidence = Evidence("seeds used in training and evaluation", len(shared), "0")
    reason = f"training and evaluation share the seeds {', '.join(map(str, shared[:5]))}"
    return Problem("evaluation.seeds-shared", reason, evidence)


RULES = (
    Rule("discount factors are in [0, 1]", ("gamma",), _ranges),
    Rule("horizon against episode length", ("gamma", "episode_length"), _horizon),
    Rule(
        "minibatches are full", ("n_steps", "num_envs", "batch_size", "n_epochs"), _minibatch
    ),
    Rule("learning-rate schedule", ("learning_rates",), _schedule),
    Rule("learning rate against published ones", ("learning_rates",), _learning_rate),
    Rule("entropy bonus", ("ent_coef",), _entropy),
    Rule("clip range against published ones", ("clip_range",), _clip_range),
    Rule("gradient clipping", ("max_grad_norm",), _clip),
    Rule("gamma of the reward normaliser", ("normaliser", "gamma"), _normaliser_gamma),
    Rule(
        "evaluation scales observations like training", ("normaliser", "eval_normaliser"),
        _eval_observations,
    ),
    Rule("evaluation rewards are as given", ("eval_normaliser",), _eval_rewards),
    Rule("evaluation leaves statistics alone", ("eval_normaliser",), _eval_statistics),
    Rule("evaluation seeds are its own", ("seeds", "eval_seeds"), _eval_seeds),
)  # fmt: skip
