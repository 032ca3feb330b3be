"""Ground shapes: what was asked for, seeded, and never above the robot's feet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ballbot.config import make_config
from ballbot.controllers import BalanceController
from ballbot.env import BallbotEnv
from ballbot.errors import UserError
from ballbot.robots import Robots
from ballbot.spawn import CLEARANCE, resting_height
from ballbot.terrain import TERRAIN_TYPES, generate
from ballbot.terrain.configs import Perlin
from ballbot.terrain.generate import max_height

MIXED = {
    "components": [{"config": {"type": "perlin"}}, {"weight": 0.5, "config": {"type": "ramp"}}]
}
SEEDED = {"perlin", "hills", "mixed"}


def terrain(name, **settings):
    extra = MIXED if name == "mixed" else {}
    return make_config(None, terrain={"type": name} | extra | settings).terrain


def slopes_deg(heights, config):
    cell = 2 * config.half_size / (config.resolution - 1)
    return np.rad2deg(np.arctan(np.hypot(*np.gradient(heights, cell))))


@pytest.mark.parametrize("name", TERRAIN_TYPES)
def test_heights_are_finite_start_at_zero_and_stay_in_bounds(name):
    config = terrain(name)
    for seed in range(5):
        heights = generate(config, np.random.default_rng(seed))
        assert heights.shape == (config.resolution, config.resolution)
        assert heights.min() == 0
        assert heights.max() <= max_height(config) + 1e-12
        assert (heights.max() > 0) == (name != "flat")


@pytest.mark.parametrize("name", TERRAIN_TYPES)
def test_seeds_decide(name):
    config = terrain(name)
    first, again, other = (generate(config, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == (name not in SEEDED)


@pytest.mark.parametrize("name", TERRAIN_TYPES)
def test_defaults_can_be_driven_by_the_balance_controller(name):
    """On every default ground some robots hold their place for four seconds."""
    extra = MIXED if name == "mixed" else {}
    config = make_config(None, terrain={"type": name, **extra}, episode_seconds=4)
    robots = Robots(config, 8, batched=True)
    robots.rngs = [np.random.default_rng(seed) for seed in range(8)]
    robots.reset(range(8))
    controller = BalanceController(robots)
    up = np.ones(8, dtype=bool)
    for _ in range(config.max_steps):
        up &= ~robots.step(controller.act()).terminated
    assert up.mean() >= 0.75


def test_perlin_is_as_rough_as_the_published_one():
    """Published at 0.1 m: mean slope 5.5 degrees, 95th percentile 11, maximum about 20."""
    config = terrain("perlin")
    slopes = [slopes_deg(generate(config, np.random.default_rng(s)), config) for s in range(20)]
    assert np.mean(slopes) == pytest.approx(5.5, abs=0.3)
    assert 9 < np.percentile(slopes, 95) < 12
    assert np.max(slopes) < 25


def test_perlin_levels_and_height():
    tops = [generate(terrain("perlin", level=v), np.random.default_rng(0)).max()
            for v in ("easy", "standard", "hard")]  # fmt: skip
    assert tops == pytest.approx([0.05, 0.1, 0.16])
    assert generate(terrain("perlin", height=0.3), np.random.default_rng(0)).max() == pytest.approx(
        0.3
    )


def test_ramp_and_gradient_keep_their_angle():
    for name, key in (("ramp", "ramp_angle"), ("gradient", "max_slope")):
        config = terrain(name, **{key: 7.0})
        slopes = slopes_deg(generate(config, np.random.default_rng(0)), config)
        assert slopes.max() < 7.1
        assert np.percentile(slopes, 75) > 3


def test_blending():
    parts = [{"weight": 1, "config": {"type": "ramp"}}, {"weight": 3, "config": {"type": "bowl"}}]
    grids = {}
    for mode in ("additive", "weighted", "max"):
        config = make_config(
            None, terrain={"type": "mixed", "components": parts, "blend_mode": mode}
        )
        grids[mode] = generate(config.terrain, np.random.default_rng(0))
    np.testing.assert_allclose(grids["weighted"], grids["additive"] / 4, atol=1e-12)
    assert not np.allclose(grids["max"], grids["additive"])


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(sorted(set(TERRAIN_TYPES) - {"flat"})),
    seed=st.integers(0, 10_000),
    distance=st.floats(0, 2.4),
)
def test_nobody_starts_inside_the_ground(name, seed, distance):
    """The ball just clears the ground, judged by MuJoCo's own contacts."""
    import mujoco

    extra = MIXED if name == "mixed" else {}
    env = BallbotEnv(
        terrain={"type": name, "resolution": 129, **extra}, start={"distance": distance}
    )
    env.reset(seed=seed)
    mujoco.mj_forward(env.model, env.data)
    ball, ground = env.model.geom("ball").id, env.model.geom("ground").id
    for contact in env.data.contact:
        if {ball, ground} == set(contact.geom.tolist()):
            assert contact.dist > -1e-3
    env.robots.physics.qpos[0, env.robots._layout.ball_qpos + 2] -= 0.01
    mujoco.mj_forward(env.model, env.data)
    touching = [c for c in env.data.contact if {ball, ground} == set(c.geom.tolist())]
    assert touching  # it was near: one centimetre lower it touches


def test_resting_height_on_simple_ground():
    assert resting_height(0.1, None, 5.0, 0, 0) == pytest.approx(0.1 + CLEARANCE)
    n, half = 201, 2.0
    axis = np.linspace(-half, half, n)
    slope = np.tan(np.deg2rad(10))
    ramp = np.repeat((slope * axis)[None], n, axis=0)
    height = resting_height(0.1, ramp, half, 0.3, 0.0)
    exact = slope * 0.3 + 0.1 / np.cos(np.deg2rad(10))
    assert height == pytest.approx(exact + CLEARANCE, abs=3e-4)


@settings(max_examples=40, deadline=None)
@given(
    weights=st.lists(st.floats(0.05, 5), min_size=1, max_size=3),
    names=st.lists(st.sampled_from(["perlin", "ramp", "bowl", "hills", "stepped"]), min_size=3),
    mode=st.sampled_from(["additive", "weighted", "max"]),
    half_size=st.floats(2, 30),
)
def test_mixed_terrain_stays_in_its_bounds(weights, names, mode, half_size):
    """Parts are drawn on the whole terrain's grid, and bounded on it."""
    bowl = {"center": (3.0, 0.0)}
    parts = [
        {"weight": w, "config": {"type": n} | (bowl if n == "bowl" else {})}
        for w, n in zip(weights, names, strict=False)
    ]
    config = terrain("mixed", components=parts, blend_mode=mode, half_size=half_size, resolution=65)
    for seed in range(3):
        heights = generate(config, np.random.default_rng(seed))
        assert heights.max() <= max_height(config) * (1 + 1e-9)


def test_a_ball_on_coarse_ground_is_not_inside_it():
    n, half = 17, 100.0
    axis = np.linspace(-half, half, n)
    slope = np.tan(np.deg2rad(39))
    ramp = np.repeat((slope * axis)[None], n, axis=0)
    height = resting_height(0.11, ramp, half, 3.0, 1.0)
    assert height >= slope * 3.0 + 0.11 / np.cos(np.deg2rad(39)) - 1e-4


@pytest.mark.parametrize(
    "settings",
    [
        {"type": "wavy", "amplitudes": [0.1]},
        {"type": "perlin", "feature_size": 1e17},
        {"type": "sinusoidal", "frequency": 1e308},
        {"type": "mixed", "components": []},
    ],
)
def test_impossible_parameters_are_refused(settings):
    with pytest.raises(UserError):
        make_config(None, terrain=settings)


def test_hills_larger_than_the_ground_are_no_error():
    heights = generate(terrain("hills", hill_radius=20.0), np.random.default_rng(0))
    assert np.isfinite(heights).all()


def test_unknown_terrain_names_the_nearest():
    with pytest.raises(UserError, match="'sinusoidal'"):
        make_config(None, terrain={"type": "sinusodal"})


def test_height_spread_draws_every_height_up_to_the_whole():
    config = Perlin(height=0.1, height_spread=0.5, resolution=33)
    heights = [np.ptp(generate(config, np.random.default_rng(s))) for s in range(200)]
    assert 0.05 <= min(heights) < 0.055
    assert 0.095 < max(heights) <= 0.1 + 1e-9
    plain = Perlin(height=0.1, resolution=33)
    first = generate(plain, np.random.default_rng(1))
    np.testing.assert_array_equal(
        generate(plain.model_copy(update={"height_spread": 0.0}), np.random.default_rng(1)), first
    )
