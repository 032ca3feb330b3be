"""The vector environment against bare `Batch.step`, against SubprocVecEnv, and with cameras.

python benchmarks/vector_env.py [--rounds 5] [--seconds 2] [--gl]
"""

import argparse
import os

import gymnasium
import mujoco
import numpy as np
from mujoco.batch import Batch
from stable_baselines3.common.vec_env import SubprocVecEnv

from ballbot import BallbotVectorEnv
from ballbot.config import make_config
from ballbot.controllers import BalanceController, balance_gains, mixing
from ballbot.model.parameters import load_robot
from common import report, side_by_side

N = 64
PERLIN = {"terrain": {"type": "perlin"}}
STEPS = 20


def bare(env):
    """The same robots on the same ground from the same state: `Batch.step`, and wheels set back."""
    robots = env.robots
    batch = Batch(robots._model, N, 0)
    batch.set_models(robots.physics.models)
    batch.state[:] = robots.physics.batch.state
    start = batch.state.copy()
    nstep = env.config.steps_per_action
    hinges = robots.actuation.hinges
    qpos = batch.bind("qpos")

    def work():
        batch.state[:] = start
        for _ in range(STEPS):
            batch.step(nstep=nstep)
            qpos[:, hinges] = 0
        return STEPS * N

    return work


class ReplayEnv:
    """Steps the environment from the same start again and again, as `bare` does."""

    def __init__(self, env):
        self.env = env
        self.batch = env.robots.physics.batch
        self.start = self.batch.state.copy()
        self.action = np.zeros((env.num_envs, 3))

    def __call__(self):
        """Do a few control steps; return how many, summed over robots."""
        self.batch.state[:] = self.start
        self.env.robots._steps[:] = 0
        for _ in range(STEPS):
            self.env.step(self.action)
        return STEPS * self.env.num_envs


def upright(env):
    """Drive for two seconds, so that robots are where a policy would have them."""
    env.reset(seed=0)
    controller = BalanceController(env.robots, np.array([0.0, 0.3]))
    for _ in range(round(2 * env.config.control_hz)):
        env.step(controller.act())
    return env


def against_bare(settings, label, args):
    env = upright(BallbotVectorEnv(N, **settings))
    rates = side_by_side(
        {"bare Batch.step": bare(env), "BallbotVectorEnv": ReplayEnv(env)},
        rounds=args.rounds,
        seconds=args.seconds,
    )
    report(f"{label}: {N} robots, proprioception only", "control steps/s", rates, "bare Batch.step")


def upright_policy(settings):
    """Return a linear policy on observations that balances, as a trained policy would."""
    config = make_config(None, **settings)
    gains = balance_gains(config.robot, config.wheel_model, config.control_hz, config.timestep)
    mix = mixing(load_robot(config.robot)).T

    def act(obs):
        p = obs["proprioception"]  # up 0:3, target 3:5, angular velocity 5:8, velocity 8:10
        lean, rate = -p[:, 0:2], np.stack([p[:, 6], -p[:, 5]], axis=1)
        push = -(gains[0] * lean + gains[1] * rate + gains[2] * p[:, 8:10])
        return np.clip(push @ mix, -1, 1)

    return act


def against_subproc(settings, label, args, processes=10):
    def make():
        return gymnasium.make("ballbot:Ballbot-v0", **settings)

    ours = BallbotVectorEnv(N, **settings).to_sb3()
    theirs = SubprocVecEnv([make] * processes, start_method="fork")

    def stepper(env):
        env.seed(0)
        obs = env.reset()

        def work():
            nonlocal obs
            for _ in range(STEPS):
                obs, *_ = env.step(policy(obs))
            return STEPS * env.num_envs

        return work

    policy = upright_policy(settings)
    rates = side_by_side(
        {
            f"SubprocVecEnv, {processes} processes": stepper(theirs),
            "BallbotVectorEnv": stepper(ours),
        },
        rounds=args.rounds,
        seconds=args.seconds,
    )
    theirs.close()
    report(f"{label}: SB3 view", "control steps/s", rates, f"SubprocVecEnv, {processes} processes")


def cameras(args):
    """Cameras on against off, and against the same images from a GL renderer if there is one."""
    plain = upright(BallbotVectorEnv(N, **PERLIN))
    seeing = upright(BallbotVectorEnv(N, **PERLIN, cameras={"enabled": True}))
    variants = {
        "cameras off": ReplayEnv(plain),
        "cameras on, 2 x 64x64 at 90 Hz": ReplayEnv(seeing),
    }
    if args.gl:
        variants["the same by a GL renderer"] = gl_twin(seeing)
    rates = side_by_side(variants, rounds=args.rounds, seconds=args.seconds)
    base = "the same by a GL renderer" if args.gl else "cameras off"
    report("Perlin, 64 robots", "control steps/s", rates, base)


def gl_twin(env):
    """Step without cameras and render every robot's due images with `mujoco.Renderer`.

    In GL's favour: four renderers, whose grounds were uploaded once, serve all robots.
    """
    plain = ReplayEnv(upright(BallbotVectorEnv(N, **PERLIN)))
    models = env.robots.physics.models[:4]
    renderers = [mujoco.Renderer(m, 64, 64) for m in models]
    data = [mujoco.MjData(m) for m in models]
    for renderer in renderers:
        renderer.enable_depth_rendering()

    def work():
        done = plain()
        frames = round(done // N * 90 / env.config.control_hz)
        for k in range(frames * N):
            i = k % len(renderers)
            data[i].qpos[:] = plain.env.robots.physics.qpos[k % N]
            mujoco.mj_forward(models[i], data[i])
            for camera in ("depth_0", "depth_1"):
                renderers[i].update_scene(data[i], camera)
                renderers[i].render()
        return done

    return work


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--gl", action="store_true", help="compare with MUJOCO_GL's renderer")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, mujoco {mujoco.__version__}")
    against_bare({}, "flat, 100 Hz", args)
    against_bare(PERLIN, "Perlin, 100 Hz", args)
    against_bare({"control_hz": 500}, "flat, 500 Hz", args)
    against_subproc({}, "flat, 100 Hz", args)
    against_subproc({"control_hz": 500}, "flat, 500 Hz", args)
    cameras(args)


if __name__ == "__main__":
    main()
