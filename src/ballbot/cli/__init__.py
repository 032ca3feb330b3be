"""Commands of the robot. Bad input ends with one sentence and exit code 2."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium

from ballbot.errors import UserError


def guarded(name: str, run: Callable[[], None]) -> None:
    """Run a command; turn a `UserError` into one line and exit code 2."""
    try:
        run()
    except (UserError, OSError, gymnasium.error.Error) as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)


def chosen_config(
    env_config: Path | None, train_config: Path | None, terrain_type: str | None
) -> dict[str, Any]:
    """Return the settings of the environment that a command's options name.

    Raises:
        UserError: More than one was named, or the file does not say.
    """
    from ballbot.config import merge, read_yaml

    if sum(x is not None for x in (env_config, train_config, terrain_type)) > 1:
        raise UserError("give only one of --env_config, --train_config and --terrain_type.")
    if terrain_type is not None:
        return {"terrain": {"type": terrain_type}}
    if env_config is not None:
        return read_yaml(env_config)
    if train_config is None:
        return {}
    env = read_yaml(train_config).get("env")
    if not isinstance(env, dict):
        raise UserError(f"{train_config} has no section 'env'.")
    file, kwargs = env.get("config"), env.get("kwargs") or {}
    if not isinstance(file, str | None) or not isinstance(kwargs, dict):
        raise UserError(f"{train_config}: env.config is a path and env.kwargs holds settings.")
    return merge(read_yaml(train_config.parent / file) if file else {}, kwargs)
