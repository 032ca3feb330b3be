"""A trained policy, ready to act on raw observations."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm

from plumbrl.errors import UserError
from plumbrl.training.algorithms import MASKABLE, algorithm_class, algorithm_name, build_model
from plumbrl.training.config import EnvSection, TrainConfig
from plumbrl.training.config_file import load_config
from plumbrl.training.envs import normalizes
from plumbrl.training.evaluate import Act
from plumbrl.training.foreign import algorithm_of, rebuild
from plumbrl.training.loading import SavedModel, read_zip
from plumbrl.training.masks import masks_of
from plumbrl.training.normalizer import Normalizer
from plumbrl.training.spaces_only import spaces_of

Array = np.ndarray
Which = Literal["best", "final"]
MODELS: dict[str, tuple[str, ...]] = {
    "best": ("best_model.zip", "model.zip"),
    "final": ("model.zip",),
}
"""Files of a run folder, the wanted one first."""


@dataclass
class TrainedPolicy:
    """A policy with everything that stands between the environment and its network.

    A recurrent policy remembers; `reset` makes it forget before other episodes begin.

    Attributes:
        model: The SB3 model; it can act, and has no environment to train in.
        normalizer: Of the observations, or None.
        encoder: Frozen image encoder, or None.
        env: The environment it was trained in.
        config: The whole training, or None for a model without a run folder.
        algo: Name of the algorithm.
        path: The zip that was loaded, if one was.
        folder: Its run folder, or None.
        timesteps: How long it was trained.
        notes: What the user should know about how it was loaded, a sentence each.
    """

    model: BaseAlgorithm
    normalizer: Normalizer | None
    encoder: Any
    env: EnvSection
    config: TrainConfig | None
    algo: str
    path: Path | None
    folder: Path | None
    timesteps: int
    notes: tuple[str, ...] = ()
    _memory: Any = field(default=None, repr=False)

    def act(
        self,
        obs: Any,
        deterministic: bool = True,
        episode_start: Array | None = None,
        masks: Array | None = None,
    ) -> Array:
        """Return actions for the raw observations of a vector environment.

        Args:
            obs: Batched, as the environment gives them, (N, ...) or a dictionary of such.
            deterministic: The most likely action; else a sample (for DQN: epsilon-greedy with the
                last epsilon of the training).
            episode_start: Where a recurrent policy is to forget, (N,); None: nowhere.
            masks: Actions that are allowed, (N, actions), for MaskablePPO only; None: all.

        Returns:
            Actions as the environment takes them, (N, ...), within its bounds.
        """
        masked = {} if masks is None else {"action_masks": masks}
        actions, self._memory = self.model.predict(
            self.prepared(obs), self._memory, episode_start, deterministic, **masked
        )
        return actions

    def acting_in(self, env: VectorEnv, deterministic: bool = True) -> Act:
        """Return `act` in an environment, which MaskablePPO asks what is allowed."""
        masks = masks_of(env) if self.algo == MASKABLE else None
        return lambda obs: self.act(obs, deterministic, masks=masks() if masks else None)

    def reset(self) -> None:
        """Forget everything: all environments begin an episode."""
        self._memory = None

    def prepared(self, obs: Any) -> Any:
        """Return the observations as the network sees them: images encoded, then normalised."""
        if self.encoder is not None:
            from plumbrl.encoders import encode

            obs = encode(obs, self.encoder)
        return self.normalizer.observations(obs) if self.normalizer else obs

    def seed(self, seed: int) -> None:
        """Seed the random streams that stochastic actions are drawn from; they are global."""
        self.model.set_random_seed(seed)


def load_policy(
    path: Path | str,
    *,
    which: Which = "best",
    trust: bool = False,
    algo: str | None = None,
    env: EnvSection | None = None,
) -> TrainedPolicy:
    """Load a policy; nothing in its files is run unless it is trusted.

    In a run folder the model is built from ``config.yaml`` and given the saved weights. A zip that
    belongs to no run folder is rebuilt from what it says in plain text.

    Args:
        path: A run folder, or a zip in or outside one.
        which: Of a run folder: the model that was best in evaluation while training (the final one
            if none was kept), or the final one.
        trust: Load pickles too, which runs whatever they hold.
        algo: Algorithm; needed where a zip without a run folder does not say.
        env: Environment of a zip without a run folder; the ballbot if None.

    Raises:
        UserError: Something is missing, does not fit, or was refused.
    """
    path = Path(path)
    file = _model_in(path, which) if path.is_dir() else path
    folder = run_folder_of(file)
    saved = read_zip(file, trust=trust)
    notes = []
    if path.is_dir() and file.name != MODELS[which][0]:
        notes.append(f"The run kept no {which} model; its final one, {file.name}, was used.")
    if folder is None:
        return _foreign(saved, algo, env, trust, notes)
    config = load_config(folder / "config.yaml")
    if algo is not None and algorithm_name(algo) != config.algo.name:
        raise UserError(
            f"{folder} was trained with {config.algo.name}, not {algorithm_name(algo)}."
        )
    encoder = _encoder(folder, config)
    model = _built(config, encoder)
    _fill(model, saved, f"{folder / 'config.yaml'} describes")
    normalizer = _normalizer(file, trust, notes)
    if normalizer is None and normalizes(config, model.observation_space):
        raise UserError(f"{file} was trained on normalised observations, but has no normaliser.")
    steps = int(saved.facts.get("num_timesteps") or 0)
    name = config.algo.name
    return TrainedPolicy(
        model, normalizer, encoder, config.env, config, name, file, folder, steps, tuple(notes)
    )


def run_folder_of(file: Path) -> Path | None:
    """Return the run folder that a file lies in (or in whose subfolder), if it does."""
    for parent in list(file.resolve().parents)[:2]:
        if (parent / "config.yaml").is_file() and (parent / "manifest.json").is_file():
            return parent
    return None


def _model_in(folder: Path, which: Which) -> Path:
    for name in MODELS[which]:
        if (folder / name).is_file():
            return folder / name
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{folder} is no run folder: it has no config.yaml and no model.zip.")
    raise UserError(f"{folder} holds no {MODELS[which][-1]}; has the training finished?")


def _built(config: TrainConfig, encoder: Any) -> BaseAlgorithm:
    acting = config.algo
    if "buffer_size" in inspect.signature(algorithm_class(acting.name)).parameters:
        acting = acting.model_copy(update={"kwargs": acting.kwargs | {"buffer_size": 1}})
    venv = spaces_of(config.env, config.num_envs, encoder)
    return build_model(config.model_copy(update={"algo": acting}), venv)


def _encoder(folder: Path, config: TrainConfig) -> Any:
    """Load the frozen image encoder that stands between environment and policy, if one does."""
    if config.encoder.path is None or not config.encoder.frozen:
        return None
    from plumbrl.encoders import load_encoder

    own = folder / "encoder.pt"
    return load_encoder(own if own.is_file() else config.encoder.path)


def _fill(model: BaseAlgorithm, saved: SavedModel, whose: str) -> None:
    """Give the network its weights; `whose` says where the network's shape comes from."""
    try:
        model.policy.load_state_dict(saved.parameters["policy"])
    except (RuntimeError, AttributeError, TypeError) as error:
        said = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        raise UserError(
            f"The weights of {saved.path} do not fit the network that {whose}: {said[0][:160]}"
        ) from None
    model.num_timesteps = int(saved.facts.get("num_timesteps") or 0)
    if "exploration_rate" in saved.facts:
        model.exploration_rate = float(saved.facts["exploration_rate"])  # type: ignore[attr-defined]
    model.policy.set_training_mode(False)


def _foreign(
    saved: SavedModel, algo: str | None, env: EnvSection | None, trust: bool, notes: list[str]
) -> TrainedPolicy:
    env = env or EnvSection()
    name = algorithm_of(saved, algo)
    notes.append(f"{saved.path.name} lies in no run folder; it was taken for {name} on {env.id}.")
    if trust:
        model = algorithm_class(name).load(saved.path, device="cpu")
    else:
        model = rebuild(saved, name, spaces_of(env, 1, None))
        _fill(model, saved, f"{name} would have on {env.id}")
    normalizer = _normalizer(saved.path, trust, notes)
    if normalizer is None:
        notes.append("No normaliser lies beside it, so observations are given as they are.")
    steps = int(saved.facts.get("num_timesteps") or 0)
    return TrainedPolicy(
        model, normalizer, None, env, None, name, saved.path, None, steps, tuple(notes)
    )


def _normalizer(model: Path, trust: bool, notes: list[str]) -> Normalizer | None:
    """Load the normaliser that belongs to a model file, or the nearest there is."""
    for own, file in _candidates(model):
        if file.is_file():
            if not own:
                notes.append(f"{model.name} has no normaliser of its own; {file.name} was used.")
            if file.suffix == ".npz":
                return Normalizer.load(file)
            return Normalizer.load_pickle(file, trust=trust)
    return None


def _candidates(model: Path) -> Iterator[tuple[bool, Path]]:
    """Give where a model's normaliser may be: ours before SB3's, its own before its run's."""
    named = model.stem.replace("model", "{}")
    final = model.stem == "model" or run_folder_of(model) is None
    yield True, model.with_name(named.format("normalizer") + ".npz")
    yield True, model.with_name(named.format("vecnormalize") + ".pkl")
    yield True, model.with_name(named.format("model_vecnormalize") + ".pkl")  # SB3's checkpoints
    for folder in (model.parent, model.parent.parent):
        for name in ("normalizer.npz", "vecnormalize.pkl"):
            yield final and folder == model.parent, folder / name
