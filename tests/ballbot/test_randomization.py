"""Domain randomisation: every knob moves what it says, and off means off."""

import numpy as np
import pytest

from ballbot.config import make_config
from ballbot.controllers import BalanceController
from ballbot.env import BallbotEnv
from ballbot.robots import Robots


def episodes(n=40, **randomization):
    env = BallbotEnv(randomization=randomization)
    for seed in range(n):
        env.reset(seed=seed)
        yield env


def test_off_means_nominal():
    for env in episodes(3):
        nominal = env.robots._model
        np.testing.assert_array_equal(env.model.body_mass, nominal.body_mass)
        np.testing.assert_array_equal(env.model.pair_friction, nominal.pair_friction)


def test_mass_and_friction_are_drawn_in_their_range():
    factors = []
    for env in episodes(mass=0.2, friction=0.4):
        nominal, base = env.robots._model, env.model.body("base").id
        mass = env.model.body_mass[base] / nominal.body_mass[base]
        inertia = env.model.body_inertia[base] / nominal.body_inertia[base]
        np.testing.assert_allclose(inertia, mass)
        factors.append((mass, (env.model.pair_friction / nominal.pair_friction).flat[0]))
    mass, friction = np.array(factors).T
    assert 0.8 <= mass.min() < 0.9
    assert 1.1 < mass.max() <= 1.2
    assert 0.6 <= friction.min() < 0.75
    assert 1.25 < friction.max() <= 1.4


def test_derived_constants_follow_the_mass():
    env = next(iter(episodes(1, mass=0.5)))
    assert env.model.body_subtreemass[0] == pytest.approx(env.model.body_mass.sum())


def first_response(latency_ms):
    """Physics steps until a torque moves a wheel."""
    env, quiet = (BallbotEnv(randomization={"latency_ms": (latency_ms,) * 2}) for _ in range(2))
    env.reset(seed=0)
    quiet.reset(seed=0)
    for step in range(10):
        moved = env.step(np.ones(3))[0]["proprioception"]
        still = quiet.step(np.zeros(3))[0]["proprioception"]
        gap = np.abs(moved[:-3] - still[:-3]).max()  # without last_action
        if gap > 1e-4:
            return step
    return None


@pytest.mark.parametrize(("latency", "steps"), [(0, 0), (6, 0), (10, 1), (16, 1), (30, 3)])
def test_latency_delays_the_torque(latency, steps):
    assert first_response(latency) == steps


def test_a_late_torque_acts_for_the_rest_of_the_control_step():
    """6 ms late in a 10 ms step: the wheels get two fifths of the impulse."""
    speeds = []
    for latency in (0, 6):
        config = make_config(None, randomization={"latency_ms": (latency, latency)})
        robots = Robots(config, 1, batched=False)
        robots.rngs = [np.random.default_rng(0)]
        robots.reset([0])
        robots.physics.models[0].opt.gravity[:] = 0
        robots.step(np.full((1, 3), 0.05))
        speeds.append(robots.state.wheel_speed[0].mean())
    assert speeds[1] / speeds[0] == pytest.approx(0.4, abs=0.08)


def test_a_strong_motor_is_not_clipped():
    """A gain above 1 acts at full action too: wheel speeds after a step are in proportion."""
    config = make_config(None)
    speeds = []
    for gain in (1.0, 1.2):
        robots = Robots(config, 1, batched=False)
        robots.rngs = [np.random.default_rng(0)]
        robots.reset([0])
        robots.variation.motor_gain[:] = gain
        robots.step(np.full((1, 3), 1.0))
        speeds.append(robots.state.wheel_speed[0].mean())
    assert speeds[1] / speeds[0] == pytest.approx(1.2, abs=0.06)


def test_sensor_noise_has_its_scale_and_leaves_the_known_alone():
    config = make_config(None, randomization={"sensor_noise": 0.01})
    robots = Robots(config, 200, batched=True)
    clean = Robots(make_config(None), 200, batched=True)
    for r in (robots, clean):
        r.rngs = [np.random.default_rng(seed) for seed in range(200)]
        r.reset(range(200))
    noise = robots.observe()["proprioception"] - clean.observe()["proprioception"]
    names = ["up"] * 3 + ["target"] * 2 + ["angular"] * 3 + ["velocity"] * 2
    names += ["wheel"] * 3 + ["action"] * 3
    limits = {"up": 1, "target": 0, "angular": 10, "velocity": 3, "wheel": 2, "action": 0}
    for k, name in enumerate(names):
        spread = noise[:, k].std()
        if name == "up" and k == 2:
            assert spread <= 0.01  # clipped at 1
        else:
            assert spread == pytest.approx(0.01 * limits[name], rel=0.2, abs=1e-9)


def test_pushes_come_at_their_rate_and_strength():
    settings = {"push_speed": 0.2, "push_interval_s": 0.5}
    config = make_config(None, randomization=settings, episode_seconds=5)
    robots = Robots(config, 16, batched=True)
    robots.rngs = [np.random.default_rng(seed) for seed in range(16)]
    robots.reset(range(16))
    controller = BalanceController(robots)
    kicks = 0
    for _ in range(config.max_steps):
        due = robots.variation.next_push.copy()
        robots.step(controller.act())
        kicks += int((robots.variation.next_push != due).sum())
    assert kicks == pytest.approx(16 * 5 / 0.5, rel=0.25)
