"""Depth without a graphics library: against MuJoCo's rays, against GL, and honest about age."""

import os
import subprocess
import sys
import textwrap

import mujoco
import numpy as np
import pytest

from ballbot.env import BallbotEnv

SEEN = np.array([1, 1, 0, 0, 0, 0], dtype=np.uint8)  # ground, ball and wheels


def looking_around(seed, **settings):
    env = BallbotEnv(cameras={"enabled": True, "max_depth": 2.0}, **settings)
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(15):
        env.step(rng.uniform(-1, 1, 3))
    mujoco.mj_forward(env.model, env.data)
    return env


def depth_by_mujoco(env, camera, size=64, far=2.0):
    """Depth (m) by `mj_multiRay`, the engine's own exact rays."""
    model, data = env.model, env.data
    index = model.camera(camera).id
    tangent = np.tan(np.deg2rad(model.cam_fovy[index]) / 2)
    grid = tangent * ((2 * np.arange(size) + 1) / size - 1)
    local = np.stack([np.tile(grid, size), -np.repeat(grid, size), -np.ones(size * size)], axis=1)
    rays = local @ data.cam_xmat[index].reshape(3, 3).T
    length = np.linalg.norm(rays, axis=1)
    hit, geom = np.zeros(len(rays)), np.zeros(len(rays), dtype=np.int32)
    mujoco.mj_multiRay(
        model, data, data.cam_xpos[index], (rays / length[:, None]).ravel(), SEEN, True, -1,
        geom, hit, None, len(rays), 100.0,
    )  # fmt: skip
    depth = np.where(geom >= 0, hit / length, far)
    return np.minimum(depth, far).reshape(size, size)


@pytest.mark.parametrize("robot", ["default", "paper"])
@pytest.mark.parametrize("terrain", ["flat", "perlin", "stepped", "hills"])
def test_agrees_with_the_engines_own_rays(robot, terrain):
    for seed in range(3):
        env = looking_around(seed, robot=robot, terrain={"type": terrain})
        ours = env.robots.cameras.depth(env.robots.state, env.robots.ground)[0]
        for k in range(2):
            exact = depth_by_mujoco(env, f"depth_{k}")
            gap = np.abs(ours[k] - exact)
            assert np.quantile(gap, 0.999) < 1e-5
            # float32 decides which side of a silhouette a grazing ray is on
            assert (gap > 1e-4).mean() < 1e-3
            assert exact.std() > 0.01  # there is something to see


def test_the_robots_own_ball_is_seen_by_the_published_cameras():
    """Published: the ball fills 21 to 24 % of an image; nearest 0.04 m, farthest about 0.59 m."""
    env = looking_around(0, robot="paper", terrain={"type": "perlin"})
    env.reset(seed=0)
    with_ball = env.robots.cameras.depth(env.robots.state, env.robots.ground)[0]
    env.robots.state.ball_position[:] = 100
    without = env.robots.cameras.depth(env.robots.state, env.robots.ground)[0]
    share = (np.abs(with_ball - without) > 1e-6).mean()
    assert 0.18 < share < 0.27
    assert with_ball.min() < 0.12
    assert 0.4 < with_ball.max() < 0.8


def test_frames_come_at_their_own_rate_and_say_how_old_they_are():
    env = BallbotEnv(
        cameras={"enabled": True, "width": 8, "height": 8},
        control_hz=500,
        episode_seconds=10,
        terrain={"type": "perlin"},
    )
    obs, _ = env.reset(seed=0)
    assert obs["depth_age"][0] == 0
    frames, last = 0, obs
    for step in range(1, 91):
        obs, *_ = env.step(np.full(3, 0.3))
        assert env.observation_space.contains(obs)
        if obs["depth_age"][0] < 1e-9:
            frames += 1
        else:
            assert obs["depth_age"][0] == pytest.approx(last["depth_age"][0] + 0.002, abs=1e-6)
            np.testing.assert_array_equal(obs["depth_0"], last["depth_0"])
        assert obs["depth_age"][0] < 1 / 90 + 0.002
        last = obs
        assert frames == int(step * 0.002 * 90 + 1e-6)  # 90 Hz on average, not 83.3


def test_pixels_are_depth_in_255_steps():
    env = BallbotEnv(cameras={"enabled": True}, terrain={"type": "perlin"})
    obs, _ = env.reset(seed=4)
    depth = env.robots.cameras.depth(env.robots.state, env.robots.ground)[0]
    expected = np.rint(np.minimum(depth, 1.0) * 255)
    assert np.abs(obs["depth_0"][0] - expected[0]).max() <= 1
    assert obs["depth_0"].dtype == np.uint8


GL_PROGRAM = """
import sys; sys.path.insert(0, sys.argv[1])
import numpy as np, mujoco
from test_cameras import looking_around
env = looking_around(1, terrain={"type": "perlin"})
ours = env.robots.cameras.depth(env.robots.state, env.robots.ground)[0]
env.model.geom_rgba[env.model.geom_group == 2, 3] = 0
with mujoco.Renderer(env.model, 64, 64) as renderer:
    renderer.enable_depth_rendering()
    option = mujoco.MjvOption(); option.geomgroup[2] = 0
    for k in range(2):
        renderer.update_scene(env.data, f"depth_{k}", option)
        gap = np.abs(np.minimum(renderer.render(), 2.0) - ours[k])
        print(float((gap < 5e-3).mean()))
"""


@pytest.mark.slow
def test_agrees_with_gl_where_there_is_gl():
    """In its own process: a missing GL library must not take the test run with it."""
    here = os.path.dirname(__file__)
    for backend in ("egl", "osmesa"):
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(GL_PROGRAM), here],
            env=os.environ | {"MUJOCO_GL": backend},
            capture_output=True,
            text=True,
        )
        if run.returncode == 0:
            assert all(float(share) > 0.9 for share in run.stdout.split()), run.stdout
            return
    pytest.skip("no GL renderer on this machine")
