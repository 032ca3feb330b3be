"""What a user would run on a case, and what it says."""

import contextlib
import io
import json
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

from cases import Case, cases

UPDATES = 3
"""Updates of an on-policy trainer in which an identity must be seen; gradient steps beyond."""
STEPS = 400
LOUD = ("BROKEN", "UNHEALTHY", "NOT_LEARNING", "NOT_EXPLORING", "OVERFITTING")
"""Verdicts that accuse by themselves; a run that still rises may be as sound as it can be."""


def one(case_id: str, seed: int, keep: Path | None = None) -> dict[str, Any]:
    """Run a case by its id."""
    return run(cases()[case_id], seed, keep)


def run(case: Case, seed: int, keep: Path | None = None) -> dict[str, Any]:
    """Run a case; return what was said of it, as a row.

    Args:
        case: What to run.
        seed: Of the training.
        keep: Where trainings stay; one that is there is judged again and not trained again.
    """
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    begun = time.monotonic()
    with contextlib.redirect_stderr(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        try:
            own = keep / f"{case.id.replace('/', '_')}_s{seed}" if keep else Path(folder)
            said = STAGES[case.kit](case, seed, own)
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {error}"[:300]}
    seconds = round(time.monotonic() - begun, 2)
    facts = {"case": case.id, "family": case.family, "kit": case.kit, "algo": case.algo,
             "task": case.task, "acceptable": case.causes, "exact": case.exact,
             "half": case.half, "seed": seed, "seconds": seconds}  # fmt: skip
    return facts | {"verdict": "", "named": [], "confidence": [], "classic": []} | said


def _said(report: Any) -> dict[str, Any]:
    """Return a report's findings that accuse, the first one first."""
    findings = [f for f in report.findings if f.severity != "info"]
    return {
        "verdict": report.verdict,
        "detected": bool(findings) or report.verdict in LOUD,
        "named": [f.cause for f in findings],
        "confidence": [round(f.confidence, 3) for f in findings],
    }


def watched(case: Case, seed: int, folder: Path) -> dict[str, Any]:
    """The first updates of a training under watch, then diagnosis from the folder."""
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    model = case.plant(seed=seed)
    steps = STEPS
    if isinstance(model, OnPolicyAlgorithm):
        steps = UPDATES * model.n_steps * model.n_envs
    failure = _train(model, steps, folder / "run")
    return _judged(folder / "run") | failure


def trained(case: Case, seed: int, folder: Path) -> dict[str, Any]:
    """A whole training under watch, then diagnosis from the folder."""
    import numpy as np

    done = folder / "done.json"
    if done.exists():
        return _judged(folder / "run") | json.loads(done.read_text())
    model, steps = case.plant(seed)
    failure = _train(model, steps, folder / "run")
    returns = [episode["r"] for episode in list(model.ep_info_buffer or [])[-10:]]
    facts = {"reached": float(np.mean(returns)) if returns else None} | failure
    done.write_text(json.dumps(facts))
    return _judged(folder / "run") | facts


def _train(model: Any, steps: int, run: Path) -> dict[str, str]:
    """Train under watch; return what stopped it, if anything did."""
    import plumbrl

    try:
        model.learn(steps, callback=plumbrl.watch(model, run, total_timesteps=steps, sinks=()))
    except Exception as error:
        return {"stopped": f"{type(error).__name__}: {error}"[:200]}
    return {}


def _judged(run: Path) -> dict[str, Any]:
    import plumbrl

    classic = plumbrl.diagnose(run, rules="classic")
    told = [f.cause for f in classic.findings if f.severity != "info"]
    return _said(plumbrl.diagnose(run)) | {"classic": told}


def audited(case: Case, seed: int, folder: Path) -> dict[str, Any]:
    """An audit of the environment; beside it what the checkers of Gymnasium and SB3 say."""
    from plumbrl.audits.run import audit

    make, oracle = case.plant()
    report = audit(make, name=case.task, oracle=oracle, budget=60.0, seed=seed)
    alone = case.id.startswith("audit/vector")  # the usual checkers take no vectors
    return _said(report) | {"checkers": [] if alone else checkers(make, case.task)}


def checkers(make: Any, task: str) -> list[str]:
    """Return which of the two usual checkers complain of more than in the healthy environment."""
    import gymnasium

    from faults import audit_environment, audit_reward

    healthy = _complaints(lambda: gymnasium.make(task))
    for kit in (audit_environment, audit_reward):  # what hides a fault has no spec of its own
        healthy |= _complaints(lambda kit=kit: kit.Opaque(gymnasium.make(task)))
    return sorted({who for who, what in _complaints(make) - healthy})


def _complaints(make: Any) -> set[tuple[str, str]]:
    from gymnasium.utils.env_checker import check_env as gymnasium_check
    from stable_baselines3.common.env_checker import check_env as sb3_check

    said = set()
    without_pictures = partial(gymnasium_check, skip_render_check=True)  # they want a display
    for name, check in (("gymnasium", without_pictures), ("sb3", sb3_check)):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                check(make())
            except Exception as error:
                said.add((name, type(error).__name__))
        said |= {(name, str(warning.message)[:60]) for warning in told}
    return said


def probed(case: Case, seed: int, folder: Path) -> dict[str, Any]:
    """The tiny environments, in the budget that faulty trainers need."""
    from localisation import BUDGETS, PATIENCE, QUICK
    from plumbrl.probes.catalogue import problems
    from plumbrl.probes.report import report
    from plumbrl.probes.suite import run_suite
    from plumbrl.probes.workers import run_here

    kit, fault = case.plant()
    kind, inputs = getattr(fault, "kind", "discrete"), getattr(fault, "inputs", "")
    only = [n for n in problems(kind) if n not in ("image", "memory") or n == inputs]
    make = kit.factory(fault)
    trials = run_suite(
        lambda tasks: run_here(make, tasks),
        only=only, kinds=(kind,), seeds=(seed,),
        budget=BUDGETS.get(case.algo, QUICK), seconds=PATIENCE,
    )  # fmt: skip
    found = report(case.id, trials)
    return {
        "verdict": found.verdict,
        "detected": found.verdict == "BROKEN",
        "named": [f.cause for f in found.findings],
        "confidence": [round(f.confidence, 3) for f in found.findings],
    }


def run_program(case: Case, seed: int, folder: Path) -> dict[str, Any]:
    """A published program, as its user would ask: watch and diagnosis, then the probes."""
    from programs.run import report

    found, went = report(case.plant(), seed, folder)
    return _said(found) | went


STAGES = {
    "update": watched, "audit": audited, "probe": probed, "training": trained,
    "program": run_program,
}  # fmt: skip
