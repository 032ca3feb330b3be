"""The page of a replay in a real browser: it draws, and its clock goes where it is sent."""

import re
import shutil
import subprocess

import gymnasium
import numpy as np
import pytest

from plumbrl.replay.html import write_replay
from plumbrl.replay.record import build, record

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
SOFTWARE = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium"),
]


def opened(path, moment, *flags, budget=3000):
    """Return the page as the browser left it."""
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-dev-shm-usage", *flags,
               f"--user-data-dir={path.parent / 'profile'}", f"--virtual-time-budget={budget}",
               "--dump-dom", f"{path.as_uri()}{moment}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    return re.sub(r"<script.*?</script>", "", done.stdout, flags=re.S)


def state(page):
    """Return what the page says of itself on its root element."""
    return dict(re.findall(r'data-(\w+)="([^"]*)"', page[: page.index(">", page.index("<html"))]))


def episode(env, action, most=400, **settings):
    made = build(env, settings)
    seen = record(made, lambda _: action, 1, name=(env, settings), most=most)
    made.close()
    return seen


@pytest.fixture(scope="module")
def ballbot(tmp_path_factory):
    ground = {"type": "perlin", "half_size": 3.0, "resolution": 64}
    fall = episode("ballbot:Ballbot-v0", np.zeros(3), terrain=ground)
    cheetah = episode("HalfCheetah-v5", np.full(6, 0.3), most=40)
    return write_replay(tmp_path_factory.mktemp("page") / "r.html", [fall, cheetah], "two robots")


def test_the_scene_is_drawn_at_the_moment_of_the_address(ballbot):
    page = opened(ballbot, "#t=0.12", *SOFTWARE)
    assert state(page) == {"drawn": "true", "time": "0.120"}
    assert "tilt exceeded" in page and re.search(r'id="clock">0\.12 / \d', page)
    assert page.count('class="cursor"') >= 4


def test_another_episode_can_be_chosen_and_the_end_is_the_end(ballbot):
    page = opened(ballbot, "#episode=2&t=99", *SOFTWARE)
    assert state(page) == {"drawn": "true", "time": "2.000"}
    assert "HalfCheetah-v5" in page


def test_without_webgl_it_says_so_and_shows_the_numbers(ballbot):
    page = opened(ballbot, "#t=0.05", "--disable-3d-apis")
    assert state(page) == {"drawn": "false", "time": "0.050"}
    assert "has no WebGL 2" in page and page.count('class="cursor"') >= 4


def test_pictures_move_with_the_clock(tmp_path):
    pytest.importorskip("pygame")
    assert gymnasium.spec("CartPole-v1")
    path = write_replay(tmp_path / "r.html", [episode("CartPole-v1", 0)], "cart")
    pages = [opened(path, moment) for moment in ("#t=0", "#t=0.1")]
    assert [state(page)["drawn"] for page in pages] == ["true", "true"]
    shown = [re.search(r'data-row="(\d+)"', page) for page in pages]
    assert [match and match.group(1) for match in shown] == ["0", "2"]


def test_play_runs_the_clock(ballbot):
    """The page allows no script but its own, so a copy without that rule is told to press play."""
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", ballbot.read_text())
    press = "<script>document.getElementById('play').click();</script></body>"
    copy = ballbot.with_name("pressed.html")
    copy.write_text(free.replace("</body>", press))
    reached = 0.0
    for budget in (9_000, 30_000, 90_000):  # a busy machine draws few pictures in the first
        reached = float(state(opened(copy, "#episode=2&t=0.5", *SOFTWARE, budget=budget))["time"])
        if reached > 0.6:
            break
    assert reached > 0.6
