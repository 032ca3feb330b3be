"""Configurations: files, presets, published keys, and anything else somebody might write."""

import math
import random
from pathlib import Path

import pytest
import yaml

from long_runs import LONG
from plumbrl.errors import UserError
from plumbrl.training.arithmetic import describe, warnings
from plumbrl.training.config import EncoderSection
from plumbrl.training.config_file import PRESETS, load_config
from plumbrl.training.session import Session

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "configs/train/ppo_directional_published.yaml"
LATER_FORM = """
env_config: perlin.yaml
algo: {name: ppo, ent_coef: 0.002, batch_sz: 512, n_steps: 4096, learning_rate: 1e-4}
policy: {type: mlp, config: {hidden_sizes: [64, 32], activation: ReLU}}
problem:
  terrain: {type: perlin, config: {level: hard}}
  reward: {type: directional, config: {target_direction: [1.0, 0.0]}}
total_timesteps: 5e6
num_envs: 16
evaluation: {freq: 5000, n_episodes: 8}
visualization: {record_videos: true, render: true}
use_subproc_vec_env: true
out: ./my_training_logs
"""


def written(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_published_keys_become_ours():
    config = load_config(PUBLISHED)
    assert config.algo.name == "PPO"
    assert config.algo.net_arch == (128,) * 4
    assert config.algo.activation == "LeakyReLU"
    assert config.algo.weight_decay == 0.01
    kwargs = config.algo.kwargs
    assert (kwargs["batch_size"], kwargs["n_epochs"], kwargs["vf_coef"]) == (256, 5, 2.0)
    assert kwargs["learning_rate"] == {"type": "three_stage"}
    assert kwargs["normalize_advantage"] is False
    assert config.total_timesteps == 10_000_000
    assert (config.num_envs, config.seed, config.out) == (10, 10, "./log")
    assert not (config.normalize_observation or config.normalize_reward)
    env = config.env.kwargs
    assert (env["robot"], env["control_hz"], env["terrain"]) == ("paper", 500, {"type": "perlin"})
    assert env["cameras"] == {"enabled": True}
    assert not config.encoder.frozen  # no file given: learnt on the way, as published


def test_the_later_published_form(tmp_path):
    (tmp_path / "perlin.yaml").write_text("robot: paper\n")
    config = load_config(written(tmp_path, LATER_FORM))
    assert config.algo.net_arch == (64, 32)
    assert config.algo.activation == "ReLU"
    assert config.algo.kwargs["learning_rate"] == 1e-4
    assert config.env.config == str(tmp_path / "perlin.yaml")
    assert config.env.kwargs["terrain"] == {"type": "perlin", "level": "hard"}
    assert config.env.kwargs["reward"]["target_direction"] == [1.0, 0.0]
    assert config.env.processes
    assert (config.eval.episodes, config.eval.every) == (8, 80_000)


def test_a_missing_encoder_is_learnt_as_published(tmp_path):
    text = PUBLISHED.read_text().replace('frozen_cnn: ""', 'frozen_cnn: "encoders/epoch_53"')
    config = load_config(written(tmp_path, text))
    assert (config.encoder.path, config.encoder.frozen) == (None, False)
    (tmp_path / "encoders").mkdir()
    (tmp_path / "encoders/epoch_53").write_bytes(b"")
    config = load_config(written(tmp_path, text))
    assert config.encoder.path == str(tmp_path / "encoders/epoch_53")
    assert config.encoder.frozen


def test_what_images_go_through_is_said(tmp_path):
    text = PUBLISHED.read_text().replace('frozen_cnn: ""', 'frozen_cnn: "nowhere"')
    small = {"num_envs": 1, "algo.n_steps": 8, "algo.batch_sz": 8}
    session = Session(load_config(written(tmp_path, text), small))
    said = describe(session.config, session.model, None)
    assert "images through a new encoder, learnt with the policy" in said
    session.close()
    blind = {"env": {"id": "CartPole-v1"}, "num_envs": 1}
    session = Session(load_config(written(tmp_path, yaml.safe_dump(blind))))
    assert "images" not in " ".join(describe(session.config, session.model, None))
    frozen = session.config.model_copy(update={"encoder": EncoderSection(path="e.pt")})
    assert "images through the frozen encoder e.pt" in describe(frozen, session.model, None)
    session.close()


def test_resuming_is_no_setting_of_a_file(tmp_path):
    text = PUBLISHED.read_text().replace('resume: ""', "resume: log/run7")
    with pytest.raises(UserError, match="--resume RUN"):
        load_config(written(tmp_path, text))


def test_overrides_may_be_in_either_language():
    config = load_config(PUBLISHED, {"algo.batch_sz": 512, "algo.kwargs.n_steps": 64, "seed": -1})
    assert (config.algo.kwargs["batch_size"], config.algo.kwargs["n_steps"]) == (512, 64)
    assert config.seed >= 0
    flat = load_config(ROOT / "configs/train/ballbot_flat.yaml", {"problem.terrain_type": "perlin"})
    assert flat.env.kwargs["terrain"] == {"type": "perlin"}
    assert flat.env.config  # the rest of the file is left as it was
    assert flat.normalize_observation


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("algo: {kwargs: 3, batch_sz: 4}", "algo.kwargs"),
        ("problem: flat", "problem"),
        ("problem: {terain: flat}", "terain"),
        ("hidden_sz: wide", "hidden_sz"),
        ("evaluation: {freq: often}", "evaluation.freq"),
    ],
)
def test_nonsense_in_published_keys_is_said(text, hint, tmp_path):
    with pytest.raises(UserError, match=hint):
        load_config(written(tmp_path, text))


def test_published_settings_build_and_say_what_they_amount_to():
    config = load_config(PUBLISHED, {"num_envs": 2, "env.kwargs.cameras.enabled": False})
    session = Session(config)
    said = " ".join(describe(config, session.model, 4000))
    assert "2 x 2,048 = 4,096 samples per update, 80 gradient steps each (5 epochs)" in said
    assert "100 steps ahead, 2% of an episode's 4,000" in said
    assert session.model.lr_schedule(1.0) == 1e-4
    assert session.model.lr_schedule(0.5) == 5e-5
    assert session.model.lr_schedule(0.1) == 1e-5
    assert not warnings(config, session.model)
    odd = load_config(PUBLISHED, {"num_envs": 2, "algo.batch_sz": 1000})
    assert "the last of each epoch holds 96" in warnings(odd, odd_model(session, 1000))[0]
    session.close()


def odd_model(session, batch_size):
    session.model.batch_size = batch_size
    return session.model


@pytest.mark.parametrize("name", PRESETS)
def test_presets_train_by_name(name):
    config = load_config(Path(name))
    assert config.env.id == "ballbot:Ballbot-v0"
    assert len(set(config.algo.net_arch)) == 1


def test_a_preset_in_a_file_gives_way_and_one_as_an_override_does_not(tmp_path):
    file = written(tmp_path, "preset: aggressive\nnum_envs: 3\n")
    assert load_config(file).num_envs == 3
    assert load_config(file).algo.kwargs["n_steps"] == 1024
    assert load_config(file, {"preset": "conservative"}).num_envs == 8
    assert load_config(file, {"preset": "conservative", "num_envs": 5}).num_envs == 5


BASES = [
    {
        "env": {"id": "CartPole-v1"}, "num_envs": 2, "total_timesteps": 8, "seed": 1,
        "algo": {"name": "PPO", "policy": "MlpPolicy", "net_arch": [4],
                 "kwargs": {"n_steps": 4, "batch_size": 8, "gamma": 0.9, "learning_rate": 1e-3}},
        "eval": {"episodes": 2, "every": 0},
    },
    {
        "env": {"kwargs": {"terrain": {"type": "flat"}, "episode_seconds": 0.1}},
        "num_envs": 2, "total_timesteps": 8,
        "algo": {"n_steps": 4, "batch_sz": 8, "learning_rate": -1, "ent_coef": 0},
        "hidden_sz": 4,
    },
    {
        "env": {"id": "Pendulum-v1"}, "num_envs": 1, "total_timesteps": 8,
        "algo": {"name": "SAC", "net_arch": [4],
                 "kwargs": {"learning_starts": 2, "batch_size": 4, "buffer_size": 64}},
    },
]  # fmt: skip
STRANGE = [None, -1, 0, 1e300, math.nan, math.inf, "x", "", [], {}, [1, "a"], True, "1e-3", 3,
           {"type": "linear"}, {"type": "three_stage"}, "ä\x00", 10**30, 0.5]  # fmt: skip


def paths(data, prefix=()):
    for key, value in data.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from paths(value, (*prefix, key))


def mutated(rng):
    """A configuration with one to three things wrong, or right, by chance."""
    data = yaml.safe_load(yaml.safe_dump(rng.choice(BASES)))
    for _ in range(rng.randint(1, 3)):
        places = list(paths(data))
        *parents, last = rng.choice(places)
        inner = data
        for parent in parents:
            inner = inner[parent]
        kind = rng.randrange(4)
        if kind == 0:
            inner[last] = rng.choice(STRANGE)
        elif kind == 1:
            del inner[last]
        elif kind == 2:
            inner[last + rng.choice("xs_")] = inner.pop(last)
        elif isinstance(inner[last], int | float):
            inner[last] = inner[last] * rng.choice([-1, 0, 0.5, 2, 1e-3, 1e9])
    return data


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10 if LONG else 2))
def test_strange_configurations_train_or_say_why_not(part, tmp_path):
    rng = random.Random(part)
    trained = refused = 0
    for _ in range(50):
        path = written(tmp_path, yaml.safe_dump(mutated(rng)))
        try:
            config = load_config(path)
            session = Session(small(config))
        except UserError as error:
            assert str(error).strip() and "\n" not in str(error), path.read_text()
            refused += 1
            continue
        session.model.learn(8)
        session.close()
        trained += 1
    assert trained >= 10
    assert refused >= 10


def small(config):
    """What is legal but large is made small: the question is not how long it takes."""
    kwargs = config.algo.kwargs | {
        key: min(config.algo.kwargs[key], 64)
        for key in ("n_steps", "n_epochs", "gradient_steps", "train_freq", "learning_starts")
        if isinstance(config.algo.kwargs.get(key), int)
    }
    algo = config.algo.model_copy(update={"kwargs": kwargs})
    return config.model_copy(update={"algo": algo, "num_envs": min(config.num_envs, 4)})
