"""Whatever is thrown at it: a clear error or finite observations, never a silent NaN."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ballbot.config import EnvConfig
from ballbot.env import BallbotEnv
from ballbot.errors import UserError

ANY_FLOAT = st.floats(width=64, allow_nan=True, allow_infinity=True)
ENV = BallbotEnv(episode_seconds=0.3)


@settings(max_examples=200, deadline=None)
@given(
    actions=st.lists(
        hnp.arrays(np.float64, st.one_of(st.just(3), st.integers(0, 5)), elements=ANY_FLOAT),
        min_size=1,
        max_size=8,
    ),
    seed=st.integers(0, 10**6),
)
def test_any_action(actions, seed):
    obs, _ = ENV.reset(seed=seed)
    for action in actions:
        possible = action.shape == (3,) and not np.isnan(action).any()
        try:
            obs, reward, terminated, truncated, _ = ENV.step(action)
        except UserError as error:
            assert not possible, error
            continue
        assert possible
        assert ENV.observation_space.contains(obs)
        assert np.isfinite(reward)
        if terminated or truncated:
            ENV.reset()


NUMBERS = st.one_of(ANY_FLOAT, st.integers(-5, 1000), st.sampled_from([0, 1, 100, 500, "x", None]))
PARTS = st.lists(
    st.fixed_dictionaries(
        {"config": st.fixed_dictionaries({"type": st.sampled_from(["perlin", "ramp", "oops"])})},
        optional={"weight": ANY_FLOAT},
    ),
    max_size=2,
)
TERRAINS = ["perlin", "hills", "flat", "mixed", "wavy", "sinusoidal", "gradient", "ridge_valley"]
VALUES = st.one_of(
    PARTS, NUMBERS, st.booleans(), st.text(max_size=5), st.lists(NUMBERS, max_size=3), st.just({})
)
SCALARS = ["control_hz", "timestep", "episode_seconds", "max_tilt_deg", "robot", "integrator"]
SCALARS += ["observation", "wheel_model", "description", "shaping", "nonsense"]
NESTED = {
    "shaping": ["potential", "weight", "gamma", "goal"],
    "terrain": [
        "type",
        "half_size",
        "resolution",
        "height",
        "octaves",
        "feature_size",
        "oops",
        "frequency",
        "amplitudes",
        "frequencies",
        "hill_radius",
        "components",
        "blend_mode",
        "max_slope",
    ],
    "reward": ["type", "scale", "target_direction", "survival_bonus", "oops"],
    "cameras": ["enabled", "width", "height", "rate_hz", "max_depth"],
    "command": ["enabled", "heading", "max_speed", "resample_seconds"],
    "start": ["tilt_deg", "speed", "heading_deg", "distance"],
    "randomization": ["mass", "friction", "motor_gain", "latency_ms", "sensor_noise", "push_speed"],
}


@st.composite
def configurations(draw):
    config = {}
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            config[draw(st.sampled_from(SCALARS))] = draw(VALUES)
        else:
            part = draw(st.sampled_from(sorted(NESTED)))
            keys = draw(st.lists(st.sampled_from(NESTED[part]), max_size=2, unique=True))
            config[part] = {key: draw(VALUES) for key in keys}
            if part == "terrain" and "type" not in config[part]:
                config[part]["type"] = draw(st.sampled_from(TERRAINS))
    return config


def too_large_for_a_test(config: EnvConfig) -> bool:
    pixels = config.cameras.width * config.cameras.height if config.cameras.enabled else 0
    return pixels > 10**4 or config.terrain.resolution > 400 or config.steps_per_action > 500


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(config=configurations(), seed=st.integers(0, 1000))
def test_any_configuration(config, seed):
    from ballbot.config import make_config

    try:
        valid = make_config(config)
    except UserError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 400
        return
    if too_large_for_a_test(valid):
        return
    env = BallbotEnv(valid)
    obs, _ = env.reset(seed=seed)
    assert env.observation_space.contains(obs)
    for _ in range(3):
        obs, reward, *_ = env.step(np.array([1.0, -1.0, 0.3]))
        assert env.observation_space.contains(obs)
        assert np.isfinite(reward)
