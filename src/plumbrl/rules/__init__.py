"""From the history of a run to alerts. Rules read numbers by name, never arrays of a trainer.

The same rules on the same history: whether they are applied while a run goes on or afterwards makes
no difference, for each row is judged by itself and those before it.
"""

import numpy as np

from plumbrl.history import History
from plumbrl.rules.derived import fine
from plumbrl.rules.rule import Alert, Columns, Rule, apply, can_apply, rows_short
from plumbrl.rules.table import rules_of

__all__ = ["Alert", "Columns", "Rule", "alerts_of", "columns_of", "looked_at"]

TABLES = {"default": "table", "classic": "classic"}
"""Sets of rules by the name that commands know them by."""


def alerts_of(
    history: History, rules: str = "default", columns: Columns | None = None
) -> list[Alert]:
    """Return every rule that is raised somewhere in a history, the earliest first.

    Args:
        history: Of a run.
        rules: ``default``, or ``classic`` for the published fixed thresholds.
        columns: Its `columns_of`, where they are known already.
    """
    columns = columns or columns_of(history)
    found = [apply(rule, history, columns) for rule in rules_of(TABLES[rules])]
    raised = [alert for alert in found if alert is not None]
    return sorted(raised, key=lambda alert: alert.finding.step)


def looked_at(
    history: History, rules: str = "default", columns: Columns | None = None
) -> dict[str, str]:
    """Return every rule by name, and why it was skipped; an empty reason if it was applied.

    The arguments are those of `alerts_of`.
    """
    columns = columns or columns_of(history)
    reasons = {}
    for rule in rules_of(TABLES[rules]):
        missing = [key for key in rule.needs if not _there(columns, key)]
        why = f"needs {', '.join(missing)}" if missing else ""
        if not why and not can_apply(rule, history, columns):
            why = f"does not apply to {history.facts.algo}"
        why = why or rows_short(rule, history, columns)
        reasons[rule.name] = why
    return reasons


def columns_of(history: History) -> Columns:
    """Return the columns of a history, and those that are made from them."""
    columns = {key: history[key] for key in history}
    columns["fine"] = fine(columns, history.facts)
    if "rollout/ep_rew_mean" in columns and "rollout/ep_len_mean" in columns:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            each = columns["rollout/ep_rew_mean"] / columns["rollout/ep_len_mean"]
        columns["rollout/reward_per_step"] = np.abs(each)
    if "rollout/ep_len_mean" in columns and history.facts.max_episode_steps:
        of_limit = columns["rollout/ep_len_mean"] / history.facts.max_episode_steps
        columns["rollout/ep_len_of_limit"] = of_limit
    if "train/entropy_loss" in columns:
        columns["classic/entropy"] = -columns["train/entropy_loss"]
    if "value/target_min" in columns and "value/target_max" in columns:
        ends = np.abs([columns["value/target_min"], columns["value/target_max"]])
        columns["classic/return_abs_max"] = ends.max(axis=0)
    return columns


def _there(columns: Columns, key: str) -> bool:
    return key in columns and not np.isnan(columns[key]).all()
