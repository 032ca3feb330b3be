"""The end of a training: the policy that was kept, on held-out seeds, and the verdict."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from plumbrl.diagnosis import diagnose_with
from plumbrl.findings import Check, Report, finite
from plumbrl.logs import read
from plumbrl.metrics.episodes import Evaluation
from plumbrl.report.html import write_page
from plumbrl.runs import RunFolder
from plumbrl.runs.value_trace import read_trace
from plumbrl.training.config import TrainConfig
from plumbrl.training.envs import make_vector
from plumbrl.training.episodes import record_extremes
from plumbrl.training.evaluate import compare
from plumbrl.training.held_out import final_seeds
from plumbrl.training.policy import load_policy


def finish(
    config: TrainConfig, folder: RunFolder, checks: Sequence[Check]
) -> tuple[Report, list[Evaluation]]:
    """Evaluate what is on disk, as anybody would load it, and write the report.

    Args:
        config: The training.
        folder: Its folder, with its models.
        checks: What was looked at exactly while it trained.

    Returns:
        The report, and the evaluations it rests on: the trained policy (the best model, if one was
        chosen), then baselines, then random actions.
    """
    policy = load_policy(folder.path)
    env = make_vector(config.eval_env, config.eval.episodes)
    try:
        evaluations = compare(env, {"trained": policy.acting_in(env)}, final_seeds(config))
    finally:
        env.close()
    lines = [json.dumps(finite(evaluation.to_dict())) + "\n" for evaluation in evaluations]
    folder.write_text("evaluations.jsonl", "".join(lines))
    place, rows = ("", config.eval_env), config.eval.episodes
    record_extremes(policy, evaluations[0], place=place, rows=rows, worst=config.eval.record)
    report = conclude(folder, checks)
    for finding in report.findings:
        if finding.component == "task":
            folder.add_finding(finding, "evaluation")
    return report, evaluations


def conclude(folder: RunFolder, checks: Sequence[Check]) -> Report:
    """Judge a run by what is in its folder, as `plumbrl diagnose` would, and write the report."""
    lines = [json.dumps(asdict(check)) + "\n" for check in checks]
    folder.write_text("checks.jsonl", "".join(lines))
    history = read(folder.path)
    report = diagnose_with(history, folder.path)
    folder.write_report(report)
    write_page(folder.path / "report.html", report, history, trace=read_trace(folder.path))
    return report
