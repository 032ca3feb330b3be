"""Environments that break in the middle of an episode, in every way a call can go wrong."""

import faulthandler
import os
import time

import gymnasium


def _raises(env, result):
    raise ValueError("wheel 3 is gone\nand more")


def _hangs(env, result):
    while True:
        time.sleep(0.01)


def _exits(env, result):
    os._exit(7)


def _crashes(env, result):
    faulthandler.disable()  # pytest's would print the stacks of a death that is meant
    os.kill(os.getpid(), 11)


def _closes_itself(env, result):
    env.close()
    env.env = None
    return result


WAYS = {
    "raises": (_raises, "environment.raises"),
    "hangs": (_hangs, "environment.hangs"),
    "exits": (_exits, "environment.kills-the-process"),
    "crashes": (_crashes, "environment.kills-the-process"),
    "closes itself": (_closes_itself, "environment.raises"),
    "reward None": (lambda env, r: (r[0], None, *r[2:]), "environment.form"),
    "reward array": (lambda env, r: (r[0], r[0], *r[2:]), "environment.form"),
    "reward complex": (lambda env, r: (r[0], 1j, *r[2:]), "environment.form"),
    "old interface": (lambda env, r: r[:4], "environment.form"),
    "flag is a number": (lambda env, r: (*r[:2], 0.0, *r[3:]), "environment.form"),
    "info is a list": (lambda env, r: (*r[:4], []), "environment.form"),
    "reward NaN": (lambda env, r: (r[0], float("nan"), *r[2:]), "reward.not-finite"),
    "observation NaN": (
        lambda env, r: (r[0] * float("nan"), *r[1:]),
        "environment.observation-not-finite",
    ),
    "observation too short": (
        lambda env, r: (r[0][:-1], *r[1:]),
        "environment.observation-outside-space",
    ),
    "observation None": (lambda env, r: (None, *r[1:]), "environment.observation-outside-space"),
}


class Misbehaves(gymnasium.Wrapper):
    """Is well until `after` steps were taken, in all of its episodes together."""

    def __init__(self, env, way, after=30):
        super().__init__(env)
        self._way, self._left = WAYS[way][0], after

    def step(self, action):
        result = self.env.step(action)
        self._left -= 1
        return result if self._left > 0 else self._way(self, result)
