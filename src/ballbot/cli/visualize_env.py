"""`ballbot-visualize-env`: look at an environment before training in it."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ballbot.cli import chosen_config, guarded
from ballbot.preview import ActionMode


@dataclass(frozen=True)
class Options:
    """Draw ground, start, camera images and a short roll; one picture file an episode."""

    env_config: Path | None = None
    """YAML file of the environment."""
    train_config: Path | None = None
    """YAML file of a training; its environment is shown."""
    terrain_type: str | None = None
    """A terrain by name, instead of a file."""
    n_episodes: int = 1
    """Episodes, each on ground of its own."""
    n_steps: int = 500
    """Largest number of steps of an episode."""
    seed: int = 42
    """Seed of the first episode; the next ones count on."""
    action_mode: ActionMode = "balance"
    """Who drives."""
    out: Path = Path("outputs/visualizations")
    """Folder of the pictures."""
    gui: bool = True
    """Open MuJoCo's viewer where there is a display."""


def main() -> None:
    """Run the command."""
    guarded("ballbot-visualize-env", lambda: run(tyro.cli(Options, prog="ballbot-visualize-env")))


def run(options: Options) -> None:
    """Draw the episodes and print where the pictures are."""
    from ballbot.rendering import has_display

    settings = chosen_config(options.env_config, options.train_config, options.terrain_type)
    for path in preview(settings, options):
        print(path)
    if options.gui and has_display():
        show(settings, options)


def preview(settings: dict, options: Options) -> list[Path]:
    """Draw `n_episodes` episodes with cameras on; return the picture files."""
    from ballbot.config import make_config
    from ballbot.env import BallbotEnv
    from ballbot.preview import roll, save_figure

    env = BallbotEnv(make_config(settings, cameras={"enabled": True}))
    name = f"{env.config.terrain.type}_{env.config.reward.type}_{env.config.robot}"
    name = name.replace("/", "-")
    files = []
    for seed in range(options.seed, options.seed + options.n_episodes):
        data = roll(env, options.action_mode, options.n_steps, seed)
        files.append(options.out / f"{name}_seed{seed}.png")
        title = f"{env.config.terrain.type}, seed {seed}, actions: {options.action_mode}"
        save_figure(env, data, files[-1], title)
    return files


def show(settings: dict, options: Options) -> None:
    """Run the episodes in MuJoCo's viewer."""
    from ballbot.env import BallbotEnv
    from ballbot.preview import controller

    env = BallbotEnv(settings, render_mode="human")
    for seed in range(options.seed, options.seed + options.n_episodes):
        env.reset(seed=seed)
        act = controller(env, options.action_mode)
        for _ in range(options.n_steps):
            _, _, terminated, truncated, _ = env.step(act())
            if terminated or truncated:
                break
    env.close()
