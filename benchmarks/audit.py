"""Does the audit name what is wrong with an environment, and leave healthy ones alone?

    python benchmarks/audit.py [--seeds 2] [--only reward CartPole-v1] [--oracle] [--out FILE]

Plants the faults of tests/faults one by one and runs the whole audit on each. Prints by family how
often the component at fault is named first, and the cause, with 95 % intervals, and what was
missed. Beside it, healthy environments: an error, or more than one warning, is a false alarm. What
is in the output already is not run again.
"""

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gymnasium

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from experts import EXPERTS
from faults import audit_environment, audit_reward, audit_task, environment
from plumbrl.audits.run import audit
from plumbrl.metrics.statistics import rate_interval

HEALTHY = (
    "CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0",
    "FrozenLake-v1", "FrozenLake8x8-v1", "CliffWalking-v1", "Taxi-v4", "Blackjack-v1",
    "InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Hopper-v5", "HalfCheetah-v5", "Reacher-v5",
    "Walker2d-v5", "Swimmer-v5", "ballbot:Ballbot-v0",
)  # fmt: skip
SAME, NEXT = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP
VECTORS = {
    "final is reset": (environment.FinalIsReset, SAME, "final-observation-is-reset"),
    "final missing": (environment.FinalMissing, SAME, "final-observation-missing"),
    "claims next step": (environment.ClaimsOtherMode, SAME, "autoreset-mode-mismatch"),
    "claims same step": (environment.ClaimsOtherMode, NEXT, "autoreset-mode-mismatch"),
    "one seed": (environment.OneSeed, SAME, "vector-seeds-shared"),
}
SHORT = 20
"""Limit of episodes in which wrong ends are planted, and of vectors."""


@dataclass(frozen=True)
class Case:
    """An environment to audit.

    Attributes:
        family: reward, environment, task, promises, vector; healthy where nothing is planted.
        fault: Its name; empty if healthy.
        env: Id of the environment.
        make: Returns it, or a vector of it.
        causes: Of which one must be named.
        exact: Whether an identity is violated.
        oracle: Whether the fault shows only with an oracle.
    """

    family: str
    fault: str
    env: str
    make: Callable
    causes: tuple[str, ...] = ()
    exact: bool = False
    oracle: bool = False

    @property
    def name(self):
        return f"{self.family}: {self.fault or 'healthy'}, {self.env}"


def cases():
    found = [Case("healthy", "", env, partial(gymnasium.make, env)) for env in HEALTHY]
    kits = {"reward": audit_reward, "environment": audit_environment, "task": audit_task}
    for family, kit in kits.items():
        for fault in kit.FAULTS:
            oracle = getattr(fault, "oracle", fault.name in audit_task.NEED_ORACLE)
            found += [
                Case(family, fault.name, env, partial(fault.make, env), tuple(sorted(fault.causes)),
                     fault.exact, oracle)
                for env in fault.envs
            ]  # fmt: skip
    for faults, limit in ((environment.FAULTS, None), (environment.END_FAULTS, SHORT)):
        found += [
            Case("promises", f.name, env, partial(wrapped, f, env, limit), (f.cause,), True)
            for f in faults for env in f.envs
        ]  # fmt: skip
    for name, (wrapper, mode, cause) in VECTORS.items():
        for env in ("CartPole-v1", "Pendulum-v1"):
            make = partial(vector, wrapper, mode, env)
            found.append(Case("vector", name, env, make, (f"environment.{cause}",), True))
    return found


def wrapped(fault, env, limit):
    return fault.wrapper(gymnasium.make(env, max_episode_steps=limit))


def vector(wrapper, mode, env):
    makers = [lambda: gymnasium.make(env, max_episode_steps=SHORT)] * 4
    return wrapper(SyncVectorEnv(makers, autoreset_mode=mode))


def examine(number, seed, oracle, budget):
    """Audit one case and return what was said of it."""
    warnings.simplefilter("ignore")
    case = cases()[number]
    knows = EXPERTS.get(case.env) if oracle or case.oracle else None
    begun = time.monotonic()
    told = audit(case.make, oracle=knows, budget=budget, seed=seed, name=case.env)
    return {
        **key(case, seed, oracle),
        "acceptable": case.causes,
        "exact": case.exact,
        "with_oracle": knows is not None,
        "seconds": round(time.monotonic() - begun, 1),
        "named": [(f.cause, f.severity, round(f.confidence, 2)) for f in told.findings],
        "failed": [(c.name, c.reason) for c in told.checks if c.verdict == "failed"],
        "verdict": told.verdict,
    }


def key(case, seed, oracle):
    return {
        "family": case.family, "fault": case.fault, "env": case.env, "seed": seed, "oracle": oracle
    }  # fmt: skip


def same(row, wanted):
    return all(row[name] == value for name, value in wanted.items())


def component(cause):
    return cause.partition(".")[0]


def judged(row):
    """Return whether the component is first, the cause is first, and the cause is named at all."""
    named = [cause for cause, _, _ in row["named"]]
    first = named[0] if named else "none.none"
    right = {component(cause) for cause in row["acceptable"]}
    return (
        component(first) in right,
        first in row["acceptable"],
        bool({*named} & {*row["acceptable"]}),
    )


def false_alarm(row):
    severities = [severity for _, severity, _ in row["named"]]
    return "error" in severities or severities.count("warning") > 1


def share(hits):
    rate = rate_interval(sum(hits), len(hits))
    return f"{sum(hits)} of {len(hits)}, {rate.estimate:.0%} [{rate.low:.0%}, {rate.high:.0%}]"


def summary(rows):
    healthy = [row for row in rows if row["family"] == "healthy"]
    planted = [row for row in rows if row["family"] != "healthy"]
    for family in families(planted):
        located(family, [row for row in planted if row["family"] == family])
    for name, exact in (("exact", True), ("statistical", False)):
        located(name, [row for row in planted if row["exact"] is exact])
    left_alone(healthy)
    print("\nanother component first:")
    for row in planted:
        if not judged(row)[0]:
            print(f"  {told(row)}")


def located(name, rows):
    if not rows:
        return
    component_first, cause_first, named = zip(*map(judged, rows), strict=True)
    seconds = statistics.median(row["seconds"] for row in rows)
    print(f"\n{name}: {len(rows)} audits, median {seconds:.0f} s")
    print(f"  component first  {share(component_first)}")
    print(f"  cause first      {share(cause_first)}")
    print(f"  cause named      {share(named)}")


def left_alone(rows):
    if not rows:
        return
    print(f"\nhealthy: {len(rows)} audits, at most {max(row['seconds'] for row in rows):.0f} s")
    print(f"  false alarms     {share([false_alarm(row) for row in rows])}")
    print(f"  any warning      {share([bool(row['failed']) for row in rows])}")
    for row in rows:
        if any(severity != "info" for _, severity, _ in row["named"]):
            print(f"  {told(row)}")


def families(rows):
    return list(dict.fromkeys(row["family"] for row in rows))


def told(row):
    named = ", ".join(f"{cause} ({severity})" for cause, severity, _ in row["named"]) or "nothing"
    what = f"{row['family']}: {row['fault'] or 'healthy'}, {row['env']}, seed {row['seed']}"
    return f"{what}{', oracle' if row['with_oracle'] else ''}: {named}"


def options_given():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--only", nargs="+", default=[], help="parts of family, fault, env; all met"
    )
    parser.add_argument("--oracle", action="store_true", help="give the audit an oracle")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds for an audit")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/audit.jsonl"), help="JSON lines")
    return parser.parse_args()


def read(out):
    lines = out.read_text().splitlines() if out.exists() else []
    return [json.loads(line) for line in lines if line.strip()]


def run(left, options):
    """Audit what is left, and yield what was said as it is written down."""
    options.out.parent.mkdir(parents=True, exist_ok=True)
    work = partial(examine, oracle=options.oracle, budget=options.budget)
    with ProcessPoolExecutor(options.workers) as pool, options.out.open("a") as out:
        for row in pool.map(work, *zip(*left, strict=True)) if left else ():
            out.write(json.dumps(row) + "\n")
            out.flush()
            yield row


def main():
    options = options_given()
    rows = read(options.out)
    wanted = {
        (number, seed): key(case, seed, options.oracle)
        for seed in range(options.seeds)
        for number, case in enumerate(cases())
        if all(part in case.name for part in options.only)
    }
    left = [work for work, k in wanted.items() if not any(same(row, k) for row in rows)]
    for row in run(left, options):
        rows.append(row)
        good = not false_alarm(row) if row["family"] == "healthy" else judged(row)[0]
        print(f"{'ok ' if good else '-- '}{row['seconds']:5.1f} s  {told(row)}", flush=True)
    summary([row for row in rows if any(same(row, k) for k in wanted.values())])


if __name__ == "__main__":
    main()
