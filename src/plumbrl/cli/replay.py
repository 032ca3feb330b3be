"""`plumbrl replay RUN`: see what a policy does, step by step, in one page."""

import os
import sys
import webbrowser
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from plumbrl.errors import UserError

if TYPE_CHECKING:
    from plumbrl.replay.episode import Episode
    from plumbrl.training.policy import TrainedPolicy

WANTED = ("worst", "best", "all")
SHOWN = 6
"""Episodes on one page, at most: the worst ones, and the best."""


@dataclass(frozen=True)
class Options:
    """Play episodes of a policy back: one page that opens offline, in any browser.

    It shows robot and ground in 3D (or what the environment draws), and in step with them rewards
    and their terms, values, actions, tilt and height. Evaluations record their two worst episodes
    and the best one; where none was recorded, a few are now, deterministic, on held-out seeds.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder, saved model, or an episode file."""
    episode: str = "all"
    """worst, best, all, a seed (recorded now if it was not), or an episode file."""
    out: Path | None = None
    """The page; if not given, replay.html in the run folder, or replay_<episode>.html of one."""
    mp4: bool = False
    """Also a video of the first of them, beside the page."""
    show: bool = False
    """Open the page in a browser."""
    viewer: bool = False
    """Play the first of them in MuJoCo's own viewer too, until its window is closed."""
    n_episodes: int = 3
    """Episodes to record where none was."""
    env: str | None = None
    """Gymnasium id for a model without a run folder; the ballbot if not given."""
    config: Path | None = None
    """YAML file of the environment, for a model without a run folder."""
    trust: bool = False
    """Load pickles in the files too, which runs whatever they hold."""


@dataclass(frozen=True)
class Published:
    """Show what a trained model does: one page with all episodes, playable offline."""

    model_path: Path
    """Saved model, or its run folder."""
    n_episodes: int = 1
    """Episodes, on held-out seeds."""
    out: Path = Path("outputs/visualizations")
    """Folder of the page, or the page."""
    env: str | None = None
    """Gymnasium id for a model without a run folder; the ballbot if not given."""
    config: Path | None = None
    """YAML file of the environment, for a model without a run folder."""
    mp4: bool = False
    """Also a video of the first episode, beside the page."""
    show: bool = True
    """Open the page where there is a display."""
    trust: bool = False
    """Load pickles in the files too, which runs whatever they hold."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl replay", args=args)
    if not options.run.exists():
        raise UserError(f"there is no run folder, model or episode {options.run}.")
    episodes, title, beside = _chosen(options)
    page = options.out or beside
    if page.suffix != ".html":
        raise UserError(f"--out is a page such as replay.html; got {page.name!r}.")
    if options.viewer:
        _needs_display()
    code = _write(page, episodes, title, mp4=options.mp4, show=options.show, folder=options.run)
    if options.viewer:
        _play(episodes[0], options.run)
    return code


def run_published(args: list[str]) -> int:
    """Run `ballbot-visualize-model`; return its exit code."""
    options = tyro.cli(Published, prog="ballbot-visualize-model", args=args)
    if not options.model_path.exists():
        raise UserError(f"there is no model or run folder {options.model_path}.")
    policy = _policy(options.model_path, options)
    episodes = _record(policy, options.n_episodes, keep=False)
    title = _name(policy, options.model_path)
    page = options.out if options.out.suffix == ".html" else options.out / f"{title}.html"
    show = options.show and _has_display()
    folder = policy.folder or options.model_path
    return _write(page, episodes, title, mp4=options.mp4, show=show, folder=folder)


def _chosen(options: Options) -> "tuple[list[Episode], str, Path]":
    """Return the episodes, the title, and where the page goes by itself."""
    from plumbrl.replay.files import read_episode, recorded

    file = Path(options.episode) if options.episode.endswith(".npz") else None
    if options.run.suffix == ".npz":
        file = options.run
    if file is not None:
        return [read_episode(file)], file.stem, file.with_suffix(".html")
    path = options.run
    place = path if path.is_dir() else path.parent
    of_one = "" if options.episode == "all" else f"_{options.episode}"
    title, beside = place.resolve().name, place / f"replay{of_one}.html"
    kept = [episode for _, episode in recorded(path)] if path.is_dir() else []
    if options.episode in WANTED:
        kept = kept or _sorted(_record(_policy(path, options), options.n_episodes))
        return _wanted(kept, options.episode), title, beside
    seed = _seed(options.episode)
    same = [episode for episode in kept if episode.seed == seed]
    return same[:1] or _record(_policy(path, options), 1, first=seed), title, beside


def _wanted(kept: "list[Episode]", which: str) -> "list[Episode]":
    if which == "all":
        return kept if len(kept) <= SHOWN else [*kept[: SHOWN - 1], kept[-1]]
    return kept[:1] if which == "worst" else kept[-1:]


def _sorted(episodes: "list[Episode]") -> "list[Episode]":
    return sorted(episodes, key=lambda episode: episode.total)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        from plumbrl.errors import nearest

        hint = nearest(text, [*WANTED, "SEED", "FILE.npz"])
        raise UserError(f"--episode {text!r} is neither a name, a seed nor an episode file; {hint}")
    return int(text)


def _policy(path: Path, options: Options | Published) -> "TrainedPolicy":
    import torch

    from plumbrl.cli.named import named_env
    from plumbrl.training.policy import load_policy

    if not 1 <= options.n_episodes <= 100:
        raise UserError(f"--n_episodes must be from 1 to 100; got {options.n_episodes}.")
    torch.set_num_threads(1)
    env = named_env(options.env, options.config)
    policy = load_policy(path, trust=options.trust, env=env)
    for note in policy.notes:
        print(f"note: {note}", file=sys.stderr)
    return policy


def _record(
    policy: "TrainedPolicy", count: int, *, first: int | None = None, keep: bool = True
) -> "list[Episode]":
    from plumbrl.training.episodes import record_seeds, save
    from plumbrl.training.held_out import final_seeds

    start = int(final_seeds(policy.config)[0]) if policy.config else 42
    start = start if first is None else first
    episodes = record_seeds(policy, range(start, start + count))
    if keep and policy.folder is not None and os.access(policy.folder, os.W_OK):
        for episode in episodes:
            save(policy, episode)
    return episodes


def _name(policy: "TrainedPolicy", path: Path) -> str:
    return policy.folder.name if policy.folder is not None else path.stem


def _write(
    page: Path, episodes: "list[Episode]", title: str, *, mp4: bool, show: bool, folder: Path
) -> int:
    from plumbrl.replay.html import write_replay

    print(write_replay(page, episodes, title))
    for note in dict.fromkeys(note for episode in episodes for note in episode.notes):
        print(f"note: {note}", file=sys.stderr)
    if mp4:
        print(_film(page.with_suffix(".mp4"), episodes[0], folder))
    if show and _has_display():
        webbrowser.open(page.resolve().as_uri())
    elif show:
        print("there is no display; open the page in any browser.", file=sys.stderr)
    return 0


def _film(path: Path, episode: "Episode", folder: Path) -> Path:
    from ballbot.errors import UserError as RobotError
    from ballbot.video import write_video
    from plumbrl.replay.film import FPS, film, frames

    draw = None
    if episode.env.rpartition(":")[2] == "Ballbot-v0":
        from ballbot.rendering import picture as draw
    try:
        drawn = film(episode, draw, _settings(episode, folder))
        write_video(path, _counted(drawn, frames(episode), path.name), FPS)
    except RobotError as error:
        raise UserError(str(error)) from None
    return path


def _counted(pictures: Iterable[Any], total: int, name: str) -> Iterable[Any]:
    """Show how far a film is: some draw for a minute."""
    from rich.console import Console
    from rich.progress import track

    return track(pictures, name, total, console=Console(stderr=True), transient=True)


def _needs_display() -> None:
    if not _has_display():
        raise UserError(
            "there is no display for MuJoCo's viewer; the page needs none (no --viewer)."
        )


def _play(episode: "Episode", folder: Path) -> None:
    import mujoco.viewer

    from plumbrl.replay.viewer import play

    play(episode, mujoco.viewer.launch_passive, _settings(episode, folder))


def _settings(episode: "Episode", folder: Path) -> Mapping[str, Any]:
    """Return what to build the environment with: a run folder may have been moved since."""
    file, own = episode.settings.get("config"), folder / "env.yaml"
    if isinstance(file, str) and not Path(file).is_file() and own.is_file():
        return {**episode.settings, "config": str(own)}
    return episode.settings


def _has_display() -> bool:
    known = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return known or sys.platform in ("darwin", "win32")
