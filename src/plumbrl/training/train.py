"""Train under watch, evaluate, judge, leave a run folder; or go on with one that was stopped."""

from pathlib import Path

from plumbrl.errors import UserError
from plumbrl.runs import RunFolder
from plumbrl.training.config import TrainConfig
from plumbrl.training.config_file import load_config
from plumbrl.training.folder import extend, new_folder
from plumbrl.training.session import Session, Show, Trained
from plumbrl.training.state import read_state


def train(config: TrainConfig, *, show: Show | None = None) -> Trained:
    """Train as configured.

    Args:
        config: The training.
        show: Shows progress, if wanted.

    Returns:
        The run folder, the report, and the evaluations it rests on.

    Raises:
        UserError: The environment or the algorithm refuses its arguments.
        KeyboardInterrupt: Training was interrupted; the message says how to go on.
    """
    session = Session(config)
    session.open(new_folder(config))
    return session.run(show)


def resume(path: Path, *, total_timesteps: int | None = None, show: Show | None = None) -> Trained:
    """Go on with a run from its last saved state, exactly as if it had not been stopped.

    Args:
        path: The run folder.
        total_timesteps: A new end, beyond what was trained; None: the configured one.
        show: Shows progress, if wanted.

    Raises:
        UserError: It is no run folder, or is finished already.
        KeyboardInterrupt: Training was interrupted again.
    """
    if not (path / "config.yaml").is_file():
        raise UserError(f"{path} is no run folder: it has no config.yaml.")
    changes = {} if total_timesteps is None else {"total_timesteps": total_timesteps}
    config = load_config(path / "config.yaml", changes)
    file = path / "checkpoints/state.pt"
    state = read_state(file) if file.is_file() else None
    if state and state["counters"]["num_timesteps"] >= config.total_timesteps:
        done = state["counters"]["num_timesteps"]
        raise UserError(
            f"{path} is trained to its end ({done:,} timesteps); to train it longer, add "
            f"--total_timesteps with more than that."
        )
    session = Session(config)
    folder = RunFolder(path)
    session.open(folder, state)
    if changes:
        extend(folder, config.total_timesteps)
    return session.run(show)
