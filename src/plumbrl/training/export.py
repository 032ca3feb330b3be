"""Put a trained policy into files that a robot can run, and prove that they do the same."""

import hashlib
import importlib.util
import json
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from plumbrl.errors import UserError
from plumbrl.findings import finite
from plumbrl.training.card import make_card
from plumbrl.training.deployed import Deployed
from plumbrl.training.envs import make_vector
from plumbrl.training.policy import TrainedPolicy

Array = np.ndarray
TOLERANCE = 1e-5
"""Largest difference allowed to SB3's action, in units of half the action's range."""
SAMPLES, ENVS = 1000, 20
OPSET = 17
ONNX, POLICY, CARD = "policy.onnx", "policy_only.zip", "card.json"


@dataclass(frozen=True)
class Verification:
    """How the exported policy compares with the trained one.

    Attributes:
        samples: Observations that were compared, all from the environment.
        largest_difference: Of an action, in units of half its range; for discrete actions the
            share of observations with another action.
        tolerance: What is allowed.
    """

    samples: int
    largest_difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the largest difference is within the tolerance (a NaN is not)."""
        return self.largest_difference <= self.tolerance


@dataclass(frozen=True)
class Exported:
    """What an export gives back.

    Attributes:
        folder: Where the files are; None if the verification failed, and nothing was written.
        verification: The comparison.
        card: What ``card.json`` holds.
    """

    folder: Path | None
    verification: Verification
    card: dict[str, Any]


def export(
    policy: TrainedPolicy,
    out: Path,
    *,
    facts: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Exported:
    """Write ``policy.onnx``, ``policy_only.zip`` and ``card.json`` into a new folder.

    The ONNX file takes raw observations; normalisation and a frozen image encoder are inside, and
    the action comes out as the environment takes it. It is run on `SAMPLES` observations from the
    environment before anything appears under the final name.

    Args:
        policy: The policy.
        out: The folder; must not exist.
        facts: What is known of the environment: ``observations`` (by input, a list of entries with
            name, unit and meaning), ``actions`` (the same), ``control_hz``.
        seed: Of the observations.

    Raises:
        UserError: The folder exists, the policy cannot be exported, or a library is missing.
    """
    if out.exists():
        raise UserError(f"{out} exists already; name another folder with --out.")
    _need("onnx", "onnxruntime")
    env = make_vector(policy.env, ENVS)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        deployed = Deployed(policy, env.single_observation_space)
        observations = collect(policy, env, SAMPLES, seed)
        temporary.mkdir(parents=True)
        write_onnx(deployed, observations[0], temporary / ONNX)
        policy.model.policy.save(str(temporary / POLICY))
        verification = verify(policy, temporary / ONNX, observations)
        card = make_card(
            policy, env, deployed.names, dict(facts or {}), _compared(verification, env)
        )
        card["files"] = {name: _checksum(temporary / name) for name in (ONNX, POLICY)}
        (temporary / CARD).write_text(json.dumps(finite(card), indent=2) + "\n")
        if not verification.passed:
            return Exported(None, verification, card)
        temporary.replace(out)
        return Exported(out, verification, card)
    finally:
        env.close()
        shutil.rmtree(temporary, ignore_errors=True)


def collect(policy: TrainedPolicy, env: Any, samples: int, seed: int) -> list[Any]:
    """Return raw batched observations from an environment driven by the policy's own samples.

    Args:
        policy: Acts stochastically, so that more than one path is seen.
        env: Vector environment; its number of environments divides `samples`.
        samples: Observations altogether.
        seed: Of environments and actions.
    """
    policy.seed(seed)
    policy.reset()
    obs, _ = env.reset(seed=seed)
    found = [obs]
    for _ in range(samples // env.num_envs - 1):
        obs, *_ = env.step(policy.act(obs, deterministic=False))
        found.append(obs)
    return [_copied(obs) for obs in found]


def write_onnx(deployed: Deployed, obs: Any, path: Path) -> None:
    """Trace the policy on an observation and write it, for any batch size."""
    inputs = tuple(torch.as_tensor(x) for x in _inputs(deployed.names, obs).values())
    axes = {name: {0: "batch"} for name in (*deployed.names, "action")}
    with warnings.catch_warnings(), torch.no_grad():
        # the tracing exporter is deprecated, yet the other needs one more library and fails on
        # SB3's policies; SB3's own checks of shapes are traced as constants, which they are
        warnings.simplefilter("ignore")
        torch.onnx.export(
            deployed.eval(),
            inputs,
            str(path),
            input_names=list(deployed.names),
            output_names=["action"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def verify(policy: TrainedPolicy, path: Path, observations: list[Any]) -> Verification:
    """Compare an ONNX file with the policy's own deterministic actions.

    Args:
        policy: The policy.
        path: The file.
        observations: Raw and batched.
    """
    import onnx
    import onnxruntime

    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    ours, theirs = [], []
    for obs in observations:
        ours.append(policy.act(obs))
        theirs.append(session.run(["action"], _inputs(names, obs))[0])
    expected, got = np.concatenate(ours), np.concatenate(theirs)
    space = policy.model.action_space
    if expected.shape != got.shape:
        return Verification(len(expected), float("inf"), TOLERANCE)
    if isinstance(space, spaces.Box):
        half = (space.high.astype(np.float64) - space.low) / 2
        largest = float(np.max(np.abs(expected.astype(np.float64) - got) / half))
    else:
        largest = float(np.mean((expected != got).reshape(len(got), -1).any(axis=1)))
    return Verification(len(expected), largest, TOLERANCE)


def _compared(verification: Verification, env: Any) -> dict[str, Any]:
    continuous = isinstance(env.single_action_space, spaces.Box)
    return asdict(verification) | {
        "unit": "half the action's range" if continuous else "share with another action",
        "against": "SB3's deterministic predict on observations from the environment",
    }


def _inputs(names: Any, obs: Any) -> dict[str, Array]:
    """Return the arrays of an observation by input name."""
    if isinstance(obs, Mapping):
        return {name: np.asarray(obs[name]) for name in names}
    return {next(iter(names)): np.asarray(obs)}


def _copied(obs: Any) -> Any:
    if isinstance(obs, Mapping):
        return {key: np.array(value) for key, value in obs.items()}
    return np.array(obs)


def _checksum(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def _need(*libraries: str) -> None:
    for name in libraries:
        if importlib.util.find_spec(name) is None:
            raise UserError(f"Exporting needs {name}: pip install 'plumbrl[export]'.")
