"""The environment that a command's options name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbrl.errors import UserError

if TYPE_CHECKING:
    from plumbrl.training.config import EnvSection


def named_env(env: str | None, config: Path | None) -> "EnvSection | None":
    """Return the environment that `--env` and `--config` name, or None.

    Raises:
        UserError: There is no such file.
    """
    from plumbrl.training.config import EnvSection

    if config is not None and not config.is_file():
        raise UserError(f"--config: there is no file {config}.")
    if env is None and config is None:
        return None
    given: dict[str, Any] = {"id": env} if env else {}
    if config:
        given["config"] = str(config.resolve())
    return EnvSection(**given)
