"""`ballbot-browse-env`: explore configurations, terrains and rewards at a prompt."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro
import yaml

from ballbot.cli import chosen_config, guarded
from ballbot.cli.visualize_env import Options as VisualizeOptions
from ballbot.cli.visualize_env import preview
from ballbot.errors import UserError, unknown_name
from ballbot.preview import ActionMode

HELP = """\
  list                 configuration files, terrains, rewards, robots
  load FILE            take a file from configs/env or configs/train, by name or path
  terrain TYPE         change the ground
  reward TYPE          change the reward
  set KEY VALUE        change one setting, e.g. set terrain.height 0.15
  show                 the settings so far
  all                  every setting there is, with its value
  preview              draw it (a picture file)
  save FILE            write the settings to a new YAML file
  quit"""


@dataclass(frozen=True)
class Options:
    """Explore environments at a prompt; `help` lists what can be typed."""

    env_config: Path | None = None
    """Start with this file of an environment."""
    train_config: Path | None = None
    """Start with the environment of this training."""
    configs: Path = Path("configs")
    """Folder that holds env/ and train/."""
    n_steps: int = 500
    """Steps of a preview."""
    seed: int = 42
    """Seed of a preview."""
    action_mode: ActionMode = "balance"
    """Who drives in a preview."""
    out: Path = Path("outputs/visualizations")
    """Folder of the pictures."""


@dataclass
class Browser:
    """The settings under construction, and what can be done with them."""

    options: Options
    settings: dict[str, Any] = field(default_factory=dict)

    def do(self, line: str) -> str:
        """Carry out one line and return what to print.

        Raises:
            UserError: The line makes no sense; the settings are unchanged.
        """
        try:
            name, *args = shlex.split(line)
        except ValueError as error:
            raise UserError(f"cannot read that: {error}.") from None
        actions = {
            "list": (self._list, 0),
            "load": (self._load, 1),
            "terrain": (lambda t: self._change("terrain", {"type": t}), 1),
            "reward": (lambda t: self._change("reward", {"type": t}), 1),
            "set": (self._set, 2),
            "show": (lambda: yaml.safe_dump(self.settings, sort_keys=False).strip(), 0),
            "all": (self._all, 0),
            "preview": (self._preview, 0),
            "save": (self._save, 1),
            "help": (lambda: HELP, 0),
        }
        if name not in actions:
            raise unknown_name("command", name, [*actions, "quit"])
        action, count = actions[name]
        if len(args) != count:
            raise UserError(f"{name} takes {count} argument{'' if count == 1 else 's'}; see help.")
        return action(*args)

    def _files(self) -> dict[str, Path]:
        found = sorted(self.options.configs.glob("env/*.yaml"))
        found += sorted(self.options.configs.glob("train/*.yaml"))
        return {f"{p.parent.name}/{p.stem}": p for p in found}

    def _list(self) -> str:
        from ballbot.model.parameters import robot_names
        from ballbot.terrain import TERRAIN_TYPES

        return "\n".join(
            [
                f"files     {', '.join(self._files()) or 'none in ' + str(self.options.configs)}",
                f"terrains  {', '.join(TERRAIN_TYPES)}",
                "rewards   directional, distance, velocity",
                f"robots    {', '.join(robot_names())}",
            ]
        )

    def _load(self, name: str) -> str:
        from ballbot.config import read_yaml

        files = self._files()
        path = files.get(name) or next((p for p in files.values() if p.stem == name), Path(name))
        if not path.is_file():
            raise unknown_name("file", name, files)
        training = "env" in read_yaml(path)
        self._try(chosen_config(None if training else path, path if training else None, None))
        return f"loaded {path}"

    def _set(self, key: str, value: str) -> str:
        *parents, last = key.split(".")
        try:
            change: dict[str, Any] = {last: yaml.safe_load(value)}
        except yaml.YAMLError:
            raise UserError(f"cannot read the value {value!r}.") from None
        for parent in reversed(parents):
            change = {parent: change}
        return self._change(*next(iter(change.items())))

    def _change(self, key: str, value: Any) -> str:
        from ballbot.config import merge

        self._try(merge(self.settings, {key: value}))
        return "ok"

    def _try(self, settings: dict[str, Any]) -> None:
        """Keep settings only if they make a valid environment."""
        from ballbot.config import make_config

        make_config(settings)
        self.settings = settings

    def _all(self) -> str:
        from ballbot.config import make_config

        full = make_config(self.settings).model_dump(mode="json")
        return yaml.safe_dump(full, sort_keys=False, default_flow_style=None).strip()

    def _preview(self) -> str:
        o = self.options
        drawing = VisualizeOptions(
            n_steps=o.n_steps, seed=o.seed, action_mode=o.action_mode, out=o.out
        )
        return "\n".join(str(path) for path in preview(self.settings, drawing))

    def _save(self, name: str) -> str:
        path = Path(name)
        if path.exists():
            raise UserError(f"{path} exists; choose another name.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(self.settings, sort_keys=False))
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}.") from None
        return f"saved {path}"


def main() -> None:
    """Run the command."""
    guarded("ballbot-browse-env", lambda: run(tyro.cli(Options, prog="ballbot-browse-env")))


def run(options: Options) -> None:
    """Read lines until `quit` or the end of input."""
    browser = Browser(options, chosen_config(options.env_config, options.train_config, None))
    print("Ballbot environments; 'help' lists what can be typed.")
    print(browser.do("list"))
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            return
        if line in ("quit", "exit", "q"):
            return
        if line:
            try:
                print(browser.do(line))
            except UserError as error:
                print(error)
