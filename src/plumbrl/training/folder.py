"""What is written into a run folder beside the training itself."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from plumbrl.runs import RunFolder
from plumbrl.runs.files import whole
from plumbrl.training.config import TrainConfig
from plumbrl.training.held_out import first_env_seed
from plumbrl.training.state import restorable


def new_folder(config: TrainConfig) -> RunFolder:
    """Make the run's folder; files it is configured by come along, so that it stands alone."""
    env = config.env.id.rpartition(":")[2]
    folder = RunFolder.create(Path(config.out), env, config.algo.name, config.name, config.seed)
    encoder = "encoder.pt" if config.encoder.frozen else "encoder_start.pt"
    own = config.model_copy(
        update={
            "env": _with_copy(config.env, "config", folder.path / "env.yaml"),
            "encoder": _with_copy(config.encoder, "path", folder.path / encoder),
        }
    )
    folder.write_config(own.model_dump(mode="json"))
    return folder


def write_manifest(folder: RunFolder, config: TrainConfig, model: Any) -> None:
    """Keep what is needed to understand and repeat the run."""
    exact = restorable(model.get_env())
    folder.write_manifest(
        env=config.env.id,
        algo=config.algo.name,
        seeds={
            "master": config.seed,
            "environments": first_env_seed(config),
            "evaluation": config.eval.seed,
        },
        resuming="exact" if exact else "new episodes: the environment cannot restore its state",
        parameters=parameters(model),
    )


def parameters(model: Any) -> dict[str, int]:
    """Return how many numbers the policy consists of, and how many of them learn."""
    every = list(model.policy.parameters())
    learning = sum(p.numel() for p in every if p.requires_grad)
    return {"total": sum(p.numel() for p in every), "learnable": learning}


def note_resume(folder: RunFolder, timesteps: int, goes_on: bool) -> None:
    """Keep in the manifest where the run was resumed, and whether its episodes went on."""
    how = "episodes went on" if goes_on else "new episodes were started"
    earlier = _manifest(folder).get("resumed", [])
    note(folder, "resumed", [*earlier, {"timesteps": timesteps, "how": how}])


def note(folder: RunFolder, key: str, value: Any) -> None:
    """Keep a fact in the manifest."""
    folder.write_text("manifest.json", json.dumps(_manifest(folder) | {key: value}, indent=2))


def _manifest(folder: RunFolder) -> dict[str, Any]:
    file = folder.path / "manifest.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def extend(folder: RunFolder, total_timesteps: int) -> None:
    """Change how long a run is to be trained, and nothing else in its configuration."""
    config = yaml.safe_load((folder.path / "config.yaml").read_text())
    folder.write_config(config | {"total_timesteps": total_timesteps})


def _with_copy(section: Any, key: str, to: Path) -> Any:
    """Copy the file a section names, if it names one, and return the section naming the copy."""
    name = getattr(section, key)
    if name is None:
        return section
    given = Path(name)
    with whole(to) as temporary:
        shutil.copyfile(given / "encoder.pt" if given.is_dir() else given, temporary)
    return section.model_copy(update={key: to.name})
