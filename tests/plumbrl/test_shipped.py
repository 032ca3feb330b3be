"""What ships with the repository works as it is."""

from pathlib import Path

import gymnasium
import numpy as np

from plumbrl.encoders import load_encoder
from plumbrl.training.envs import make_vector
from plumbrl.training.evaluate import evaluate
from plumbrl.training.policy import load_policy

MODELS = Path(__file__).parents[2] / "models"
LIMIT = 5 * 2**20


def test_the_shipped_policy_stays_upright_and_drives():
    policy = load_policy(MODELS / "ballbot_flat")
    env = make_vector(policy.env, 4)
    found = evaluate("shipped", env, policy.act, np.arange(4) + 7_000)
    assert found.causes == {"max_steps": 4}
    assert found.returns.min() > 95
    assert found.metrics["speed_along_target"].mean() > 0.5


def test_the_shipped_encoder_fits_the_ballbots_cameras():
    env = gymnasium.make("ballbot:Ballbot-v0", cameras={"enabled": True})
    encoder = load_encoder(MODELS / "encoder/encoder.pt")
    assert encoder.image_shape == env.observation_space["depth_0"].shape


def test_models_are_small():
    assert sum(file.stat().st_size for file in MODELS.rglob("*")) < LIMIT
