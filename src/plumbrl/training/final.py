"""The end of a training: the policy that was kept, on held-out seeds, and the verdict."""

import json

from plumbrl.findings import Report, finite
from plumbrl.metrics.episodes import Evaluation
from plumbrl.runs import RunFolder
from plumbrl.training.config import TrainConfig
from plumbrl.training.envs import make_vector
from plumbrl.training.evaluate import compare
from plumbrl.training.held_out import final_seeds
from plumbrl.training.judge import judge
from plumbrl.training.policy import load_policy
from plumbrl.training.verifier import Verifier


def finish(
    config: TrainConfig, folder: RunFolder, verifier: Verifier
) -> tuple[Report, list[Evaluation]]:
    """Evaluate what is on disk, as anybody would load it, and write the report.

    Args:
        config: The training.
        folder: Its folder, with its models.
        verifier: What was found while it trained.

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
    report = judge(config, folder.path, verifier.checks, verifier.findings, evaluations)
    lines = [json.dumps(finite(evaluation.to_dict())) + "\n" for evaluation in evaluations]
    folder.write_text("evaluations.jsonl", "".join(lines))
    for finding in report.findings:
        if finding.component == "task":
            folder.add_finding(finding)
    folder.write_report(report)
    return report, evaluations
