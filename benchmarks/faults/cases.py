"""All faults of all kits under one roof: what is planted where, and what may be said of it."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path += [str(HERE.parent), str(HERE.parents[1] / "tests")]

from audit import cases as audited_cases  # noqa: E402


@dataclass(frozen=True)
class Case:
    """A fault in one place.

    Attributes:
        id: Unique.
        family: Component at fault.
        kit: Where it comes from: ``update`` (identities of one update), ``audit`` (environments and
            rewards), ``probe`` (trainers that break no identity), ``training`` (whole trainings),
            ``program`` (programs as they were published).
        algo: Of the trainer; empty for an environment alone.
        task: Environment; ``probes`` where the tiny environments decide.
        causes: Acceptable diagnoses; empty for a healthy one.
        exact: Whether an identity is violated.
        plant: Returns what the kit's stages need, see `stages`.
    """

    id: str
    family: str
    kit: str
    algo: str
    task: str
    causes: tuple[str, ...]
    exact: bool
    plant: Callable[..., Any]

    @property
    def half(self) -> str:
        """``development`` or ``evaluation``, by the fault's name: never by where it is planted."""
        name = self.id.split("@")[0]
        odd = hashlib.sha256(name.encode()).digest()[0] % 2
        return "evaluation" if odd else "development"


@cache
def cases() -> dict[str, Case]:
    """Return every case by id."""
    every = [*updates(), *audits(), *probes(), *trainings(), *programs(), *healthy()]
    named = {case.id: case for case in every}
    assert len(named) == len(every), "two cases of one name"
    return named


def component(cause: str) -> str:
    """Return the component of a cause."""
    return cause.partition(".")[0]


def _case(name: str, kit: str, algo: str, task: str, causes: Any, plant: Any, exact: bool) -> Case:
    place = "@".join(part for part in (name.replace(" ", "-"), algo, task) if part)
    return Case(
        f"{kit}/{place}", component(causes[0]), kit, algo, task, tuple(causes), exact, plant
    )


def updates() -> list[Case]:
    """Faults that break an identity in a rollout, an update or a gradient step."""
    from faults import learning, off_policy, on_policy

    found = [
        _case(f"rollout {f.name}", "update", "PPO", f.env, f.causes,
              partial(on_policy.make_model, f.env, f.buffer, f.extractor), True)
        for f in on_policy.FAULTS
    ]  # fmt: skip
    found += [
        _case(f"update {f.name} {k}", "update", f.algo.__name__.removeprefix("Faulty"),
              "CartPole-v1", f.causes, partial(learning.make_learner, f), True)
        for k, f in enumerate(learning.FAULTS)
    ]  # fmt: skip
    for k, f in enumerate(off_policy.FAULTS):
        algo = f.algo.__name__.removeprefix("Faulty")
        plant = partial(off_policy.make_model, f.algo, f.name, f.wrapper, **f.settings)
        found.append(_case(f"step {f.name} {k}", "update", algo, "Square", f.causes, plant, True))
    return found


def audits() -> list[Case]:
    """Faults of environments, rewards and tasks, hidden inside, and vectors of environments."""
    return [_audited(one) for one in audited_cases() if one.fault]


def _audited(one: Any) -> Case:
    """The audit's own benchmark knows how to plant them, and where an oracle is needed."""
    place = f"{one.family} {one.fault or 'healthy'}".replace(" ", "-")
    family = component(one.causes[0]) if one.causes else "healthy"
    return Case(f"audit/{place}@{one.env}", family, "audit", "", one.env, tuple(one.causes),
                one.exact, partial(_environment, one))  # fmt: skip


def _environment(one: Any) -> tuple[Any, Any]:
    """Return what makes the environment, and its oracle if the fault shows only with one."""
    from experts import EXPERTS

    return one.make, EXPERTS.get(one.env) if one.oracle else None


def probes() -> list[Case]:
    """Faulty trainers that break no identity: the tiny environments decide."""
    from faults import loop, probed

    found = [
        _case(f"sb3 {f.name}", "probe", f.algo, "probes", f.causes, partial(_probed, probed, f),
              False)
        for f in probed.FAULTS
    ]  # fmt: skip
    return found + [
        _case(f"loop {f.name}", "probe", "loop", "probes", f.causes, partial(_probed, loop, f),
              False)
        for f in loop.FAULTS
    ]  # fmt: skip


def _probed(kit: Any, fault: Any) -> tuple[Any, Any]:
    return kit, fault


def trainings() -> list[Case]:
    """Faults in whole trainings on tasks that their clean twins solve."""
    from planted import PLANTED, in_turns

    from healthy import PAIRS

    return [
        Case(
            f"training/{f.name.replace(' ', '-')}@{pair}", f.family, "training",
            PAIRS[pair]["algo"], PAIRS[pair]["env"], f.causes, f.exact,
            partial(_planted, f, pair),
        )
        for f, pair in in_turns(PLANTED)
    ]  # fmt: skip


def programs() -> list[Case]:
    """Faulty programs that were published, rebuilt, and their clean twins."""
    from programs.catalogue import CLEAN, PROGRAMS

    return [
        Case(f"program/{p.name}", component(p.causes[0]) if p.causes else "healthy", "program",
             p.algo, "CartPole-v1", p.causes, p.exact, partial(_program, p))
        for p in (*PROGRAMS, *CLEAN)
    ]  # fmt: skip


def _program(program: Any) -> Any:
    return program


def healthy() -> list[Case]:
    """The clean twins of the trainings, and environments without a fault."""
    from planted import ALL

    from healthy import PAIRS

    twins = [
        Case(f"healthy/{pair}", "healthy", "training", PAIRS[pair]["algo"], PAIRS[pair]["env"],
             (), False, partial(_planted, None, pair))
        for pair in ALL
    ]  # fmt: skip
    return twins + [_audited(one) for one in audited_cases() if not one.fault]


def _planted(fault: Any, pair: str, seed: int) -> tuple[Any, int]:
    """Return the model and the timesteps it learns."""
    from healthy import PAIRS, build

    settings = dict(PAIRS[pair])
    if fault is not None:
        settings |= fault.settings
        if fault.wrapper is not None:
            settings["wrapper"] = fault.wrapper
    model = build(settings, seed)
    if fault is not None and fault.alter is not None:
        fault.alter(model)
    return model, settings["steps"]
