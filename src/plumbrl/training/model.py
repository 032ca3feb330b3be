"""The base of every configuration: frozen, and unknown keys are refused by name."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from plumbrl.errors import unknown


class Model(BaseModel):
    """A frozen configuration that refuses unknown keys with the nearest valid name."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, Mapping) else ():
            if key not in cls.model_fields:
                raise unknown("key", str(key), cls.model_fields)
        return data
