"""A training that begins with a controller acts like it, and says what it cannot imitate."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from plumbrl.errors import UserError
from plumbrl.runs.progress import read_progress
from plumbrl.training.algorithms import build_model
from plumbrl.training.config import ImitateSection, TrainConfig
from plumbrl.training.demonstrate import returns_of
from plumbrl.training.envs import make_training_env
from plumbrl.training.imitate import HELD, check_imitation, imitate
from plumbrl.training.session import Session
from plumbrl.training.train import resume, train

SHORT = {"n_steps": 16, "batch_size": 64, "n_epochs": 1}


def configuration(**changes):
    return TrainConfig.model_validate(
        {
            "env": {"kwargs": {"control_hz": 50, "episode_seconds": 4}},
            "num_envs": 8, "total_timesteps": 128, "watch": False, "normalize_reward": True,
            "algo": {"net_arch": [32], "kwargs": SHORT},
            "eval": {"episodes": 4, "record": 0, "every": 0},
            "imitate": {"controller": "balance", "timesteps": 1600, "gradient_steps": 400},
        } | changes
    )  # fmt: skip


def built(**changes):
    config = configuration(**changes)
    venv, _, _ = make_training_env(config, seed=5)
    return config, build_model(config, venv)


@given(
    hnp.arrays(np.float64, (6, 2), elements=st.floats(-3, 3)),
    hnp.arrays(np.int8, (6, 2), elements=st.sampled_from([0, 0, 1, 2])),
    st.floats(0, 0.9),
)
def test_returns_agree_with_a_loop(rewards, ends, gamma):
    total, known = returns_of(rewards, ends == 1, ends == 2, gamma)
    left = {}
    for t, b in np.ndindex(rewards.shape):
        last = next((i for i in range(t, 6) if ends[i, b]), 5)
        wanted = sum(gamma ** (i - t) * rewards[i, b] for i in range(t, last + 1))
        assert total[t, b] == pytest.approx(wanted)
        left[t, b] = np.inf if ends[last, b] == 1 else last - t + 1
    longest = max([n for n in left.values() if n < np.inf], default=0)
    enough = min(3 / (1 - gamma), longest / 2)
    assert all(known[at] == (n >= enough) for at, n in left.items())
    assert known.any()


def test_a_model_acts_like_the_controller_and_values_what_it_does():
    config, model = built()
    count = model.env.obs_rms["proprioception"].count
    found = imitate(model, config.imitate, seed=0)
    assert (found.timesteps, found.falls) == (1600, 0)
    assert found.error < 0.1
    assert found.value_error < 0.05
    assert float(model.policy.log_std.detach().exp().mean()) == pytest.approx(config.imitate.noise)
    held = model.env.obs_rms["proprioception"].count
    assert held == pytest.approx(HELD * (count + 1600 + 8), rel=0.01)
    assert not model.policy.optimizer.state


def test_too_few_gradient_steps_show_in_the_error():
    config, model = built(imitate={"controller": "balance", "timesteps": 800, "gradient_steps": 1})
    assert imitate(model, config.imitate, seed=0).error > 0.5


def test_it_is_the_same_for_the_same_seed_only():
    weights = []
    for seed in (0, 0, 1):
        config, model = built()
        imitate(model, config.imitate, seed)
        weights.append(model.policy.action_net.weight.detach().numpy().copy())
    assert (weights[0] == weights[1]).all()
    assert not (weights[0] == weights[2]).all()


def test_a_training_begins_there_and_its_manifest_says_so(tmp_path):
    frozen = {"net_arch": [32], "kwargs": SHORT | {"learning_rate": 1e-12}}
    seconds = {}
    for name in ("balance", None):
        section = {"controller": name, "timesteps": 3200, "gradient_steps": 800}
        out = tmp_path / str(name)
        done = train(configuration(out=str(out), algo=frozen, imitate=section))
        seconds[name] = done.evaluations[0].lengths.mean()
        manifest = json.loads((done.folder / "manifest.json").read_text())
        assert ("imitated" in manifest) == (name is not None)
        assert read_progress(done.folder / "progress.csv")[1]
    assert seconds["balance"] > 1.5 * seconds[None]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"imitate": {"controller": "balanse"}}, "balance"),
        ({"algo": {"name": "SAC"}}, "on-policy"),
        ({"algo": {"kwargs": SHORT | {"use_sde": True}}}, "gSDE"),
        ({"algo": {"name": "RecurrentPPO", "kwargs": SHORT}}, "memory"),
        ({"env": {"id": "Pendulum-v1"}}, "no controllers"),
        ({"env": {"id": "CartPole-v1"}}, "continuous actions"),
    ],
)
def test_what_cannot_be_imitated_is_told_in_a_sentence(changes, told):
    config, model = built(**changes)
    with pytest.raises(UserError, match=told):
        check_imitation(model, config.imitate)


def test_a_refused_controller_leaves_no_run_folder(tmp_path):
    config = configuration(out=str(tmp_path), imitate={"controller": "pdi"})
    with pytest.raises(UserError, match="pid"):
        Session(config)
    assert not list(tmp_path.iterdir())


def test_one_beginning_is_enough():
    with pytest.raises(ValueError, match="keep one"):
        configuration(start_from="somewhere")


def test_noise_must_be_some():
    with pytest.raises(ValueError, match="greater than 0"):
        ImitateSection(controller="balance", noise=0)


def test_a_training_that_ruins_its_beginning_returns_the_beginning(tmp_path):
    ruinous = {"net_arch": [32], "kwargs": SHORT | {"learning_rate": 1.0}}
    done = train(
        configuration(
            out=str(tmp_path), algo=ruinous, total_timesteps=384,
            eval={"episodes": 4, "record": 0, "every": 128},
        )
    )  # fmt: skip
    at = np.load(done.folder / "evaluations.npz")
    assert at["timesteps"].tolist() == [0, 128, 256, 384]
    lengths = at["ep_lengths"].mean(axis=1)
    assert lengths[-1] < lengths[0] / 2
    assert done.evaluations[0].lengths.mean() > 0.8 * lengths[0]


def test_a_resumed_training_does_not_imitate_again(tmp_path):
    whole = train(configuration(out=str(tmp_path / "whole"), total_timesteps=256))
    part = train(configuration(out=str(tmp_path / "part")))
    gone_on = resume(part.folder, total_timesteps=256)
    kept = json.loads((part.folder / "manifest.json").read_text())
    assert {"imitated", "resumed"} <= kept.keys()
    losses = [
        [row["train/value_loss"] for row in read_progress(done.folder / "progress.csv")[1]]
        for done in (whole, gone_on)
    ]
    assert losses[0][-1] == losses[1][-1]
