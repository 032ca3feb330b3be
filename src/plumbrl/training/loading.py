"""Read a saved Stable-Baselines3 model without running anything that is in the file.

An SB3 zip holds weights (``*.pth``), plain settings, and pickles: entries of its file ``data``
under ``:serialized:``, which run code when they are loaded. Weights are read by torch's restricted
loader and settings as JSON; the pickles stay shut.
"""

import io
import json
import pickle
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from plumbrl.errors import UserError

SERIALIZED = ":serialized:"


@dataclass(frozen=True)
class SavedModel:
    """What a zip says.

    Attributes:
        path: The file.
        facts: The plain entries of ``data`` by name: hyperparameters and counters.
        texts: What is readable of each pickled entry: its ``:type:`` and some of its attributes as
            text. Empty when the pickles were trusted.
        pickles: The pickled entries, unread, base64. Empty when they were trusted.
        parameters: State dictionaries by name: ``policy``, ``policy.optimizer``, ...
        variables: Further tensors, such as SAC's ``log_ent_coef``.
        version: Of the Stable-Baselines3 that wrote it; empty if it does not say.
    """

    path: Path
    facts: dict[str, Any]
    texts: dict[str, dict[str, Any]]
    pickles: dict[str, str] = field(repr=False)
    parameters: dict[str, dict[str, Any]] = field(repr=False)
    variables: dict[str, Any] = field(repr=False)
    version: str

    @property
    def withheld(self) -> tuple[str, ...]:
        """Names of the entries that are pickles and were not read."""
        return tuple(sorted(self.pickles))


def read_zip(path: Path, *, trust: bool = False) -> SavedModel:
    """Read a model saved by SB3.

    Args:
        path: The zip.
        trust: Load its pickles too, which runs whatever they hold.

    Raises:
        UserError: The file cannot be read, is no SB3 model, or weights are not just tensors; the
            message names what was refused.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError):
        raise UserError(f"{path} is no zip file, so no saved model.") from None
    if "data" not in files or "policy.pth" not in files:
        raise UserError(f"{path} is no model saved by Stable-Baselines3: it has no data or policy.")
    states = {
        name.removesuffix(".pth"): _tensors(content, path, name, trust)
        for name, content in files.items()
        if name.endswith(".pth")
    }
    variables = states.pop("pytorch_variables", None) or {}
    facts, texts, pickles = _entries(files["data"], path, trust)
    version = files.get("_stable_baselines3_version", b"").decode(errors="replace").strip()
    return SavedModel(path, facts, texts, pickles, states, variables, version)


def _entries(
    data: bytes, path: Path, trust: bool
) -> tuple[dict[str, Any], dict[str, dict[str, Any]], dict[str, str]]:
    """Split ``data`` into plain entries, the readable text of pickled ones, and the pickles."""
    try:
        entries = json.loads(data)
    except ValueError:
        raise UserError(f"{path} is damaged: its file 'data' is not JSON.") from None
    if not isinstance(entries, dict):
        raise UserError(f"{path} is damaged: its file 'data' holds no settings.")
    if trust:
        from stable_baselines3.common.save_util import json_to_data

        return json_to_data(data.decode()), {}, {}
    shut = {k: v for k, v in entries.items() if isinstance(v, dict) and SERIALIZED in v}
    facts = {key: value for key, value in entries.items() if key not in shut}
    texts = {k: {n: x for n, x in v.items() if n != SERIALIZED} for k, v in shut.items()}
    return facts, texts, {key: str(value[SERIALIZED]) for key, value in shut.items()}


def _tensors(content: bytes, path: Path, name: str, trust: bool) -> dict[str, Any]:
    """Load a ``.pth`` that holds tensors, numbers and text."""
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        said = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = said.group(1) if said else "something that is no tensor"
        raise UserError(
            f"{path} was refused: its {name} asks for {what}, which is not just weights; "
            "--trust loads it and runs whatever it holds."
        ) from None
    except Exception as error:  # a damaged file can raise anything
        what = " ".join(str(error).split())[:120]
        raise UserError(f"{path} is damaged: its {name} cannot be read ({what}).") from None
