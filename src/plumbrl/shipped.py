"""Tables that ship with the package, as YAML beside the code that reads them."""

from importlib import resources
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times faster where PyYAML was built with libyaml, as its wheels are."""


def table(package: str, name: str) -> Any:
    """Return the content of a YAML file of a package.

    Args:
        package: Such as ``plumbrl.rules``.
        name: Of the file, with its ending.
    """
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=LOADER)
