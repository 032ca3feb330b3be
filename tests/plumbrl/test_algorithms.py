"""Every algorithm trains, goes on, and is loaded again; or says in one sentence why it cannot."""

import json

import numpy as np
import pytest
import yaml

from plumbrl.errors import UserError
from plumbrl.training.algorithms import ALGORITHMS
from plumbrl.training.config import EnvSection
from plumbrl.training.config_file import load_config
from plumbrl.training.envs import make_vector
from plumbrl.training.masks import masks_of
from plumbrl.training.policy import load_policy
from plumbrl.training.state import read_state
from plumbrl.training.train import resume, train

ON = {"n_steps": 16, "batch_size": 32}
OFF = {"learning_starts": 40, "batch_size": 16, "buffer_size": 200}
CASES = {
    "A2C": ("CartPole-v1", {"n_steps": 8}),
    "ARS": ("Pendulum-v1", {"n_delta": 1, "n_eval_episodes": 1}),
    "CrossQ": ("Pendulum-v1", OFF),
    "DDPG": ("Pendulum-v1", OFF),
    "DQN": ("CartPole-v1", OFF),
    "MaskablePPO": ("masked:Masked-v0", ON),
    "PPO": ("CartPole-v1", ON),
    "QRDQN": ("CartPole-v1", OFF),
    "RecurrentPPO": ("CartPole-v1", ON),
    "SAC": ("Pendulum-v1", OFF),
    "TD3": ("Pendulum-v1", OFF),
    "TQC": ("Pendulum-v1", OFF),
    "TRPO": ("CartPole-v1", ON),
}
TRAINED = 64


def configuration(tmp_path, algo, env, kwargs, **changes):
    data = {
        "env": {"id": env}, "num_envs": 2, "total_timesteps": TRAINED, "out": str(tmp_path / "out"),
        "algo": {"name": algo, "net_arch": [8], "kwargs": kwargs},
        "eval": {"episodes": 2, "every": 32}, "checkpoints": 1,
    } | changes  # fmt: skip
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(data))
    return load_config(path)


def observations(policy):
    env = make_vector(policy.env, 2)
    obs, _ = env.reset(seed=0)
    env.close()
    return obs


def trained_twice(config):
    """Train, train longer; return the folder."""
    folder = train(config).folder
    first = load_policy(folder, which="final")
    resume(folder, total_timesteps=first.timesteps + 64)
    again = load_policy(folder, which="final")
    assert again.timesteps >= first.timesteps + 64
    assert read_state(folder / "checkpoints/state.pt")["counters"]["num_timesteps"] == (
        again.timesteps
    )
    obs = observations(again)
    assert again.model.action_space.contains(again.act(obs)[0])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["resumed"] == [
        {"timesteps": first.timesteps, "how": "new episodes were started"}
    ]
    return folder


def test_no_algorithm_is_left_out():
    assert set(CASES) == set(ALGORITHMS)


@pytest.mark.parametrize("algo", CASES)
def test_every_algorithm_trains_goes_on_and_is_loaded(algo, tmp_path):
    env, kwargs = CASES[algo]
    folder = trained_twice(configuration(tmp_path, algo, env, kwargs))
    assert (folder / "best_model.zip").is_file()
    assert len((folder / "evaluations.jsonl").read_text().splitlines()) == 2  # trained, random


@pytest.mark.parametrize(("algo", "kwargs"), [("PPO", ON), ("DQN", OFF), ("ARS", {"n_delta": 1})])
def test_whole_numbers_as_observations(algo, kwargs, tmp_path):
    trained_twice(configuration(tmp_path, algo, "FrozenLake-v1", kwargs, normalize_reward=False))


def test_only_rewards_are_normalised_where_observations_cannot_be(tmp_path):
    trained_twice(configuration(tmp_path, "PPO", "FrozenLake-v1", ON))


@pytest.mark.slow
def test_environments_in_processes_of_their_own(tmp_path):
    env = {"id": "CartPole-v1", "processes": True}
    config = configuration(tmp_path, "PPO", "CartPole-v1", ON)
    trained_twice(config.model_copy(update={"env": EnvSection(**env)}))


@pytest.mark.parametrize(
    ("algo", "env", "hint"),
    [
        ("MaskablePPO", "CartPole-v1", "action_masks"),
        ("DQN", "FrozenLake-v1", "normalize_reward"),
        ("DQN", "Pendulum-v1", "DQN"),
        ("SAC", "CartPole-v1", "SAC"),
        ("ARS", "Blackjack-v1", "Tuple"),
        ("PPO", "Blackjack-v1", "Tuple"),
        ("ARS", "ballbot:Ballbot-v0", "MultiInputPolicy"),
    ],
)
def test_what_does_not_go_together_is_said_before_training(algo, env, hint, tmp_path):
    with pytest.raises(UserError, match=hint) as said:
        train(configuration(tmp_path, algo, env, {}))
    assert "\n" not in str(said.value)
    assert not (tmp_path / "out").exists()


def test_what_a_run_normalised_by_goes_on_where_episodes_cannot(tmp_path):
    config = configuration(tmp_path, "PPO", "Pendulum-v1", ON)
    folder = train(config).folder
    before = load_policy(folder, which="final").normalizer
    resume(folder, total_timesteps=2 * TRAINED)
    after = load_policy(folder, which="final").normalizer
    assert before.observation.count > TRAINED
    assert after.observation.count > before.observation.count + TRAINED - 1
    assert after.returns.count > before.returns.count


def test_ars_goes_on_from_its_weights(tmp_path):
    env, kwargs = CASES["ARS"]
    still = kwargs | {"learning_rate": 1e-12, "zero_policy": False}
    folder = train(configuration(tmp_path, "ARS", env, still)).folder
    before = load_policy(folder, which="final")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"seed": 9}))  # builds other ones
    resume(folder, total_timesteps=before.timesteps + 1)
    for a, b in zip(
        before.model.policy.parameters(),
        load_policy(folder, which="final").model.policy.parameters(), strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-6)


def test_masks_are_those_of_every_environment():
    env = make_vector(EnvSection(id="masked:Masked-v0"), 3)
    env.reset(seed=1)
    masks = masks_of(env)()
    assert masks.shape == (3, 4)
    assert (masks.sum(axis=1) == 3).all()
    env.close()
    env = make_vector(EnvSection(id="CartPole-v1"), 2)
    assert masks_of(env) is None
    env.close()
