"""What the settings in config.py are made of: their sections, kinds of values that several have, and the environment.
Pydantic alone is more lenient than a file of settings should be."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError
from pydantic_settings import EnvSettingsSource


def _expanded(path: Path) -> Path:
    try:
        if "\0" not in str(path):
            return path.expanduser().absolute()
    except RuntimeError:
        pass  # a ~ before a name that this machine doesn't know
    raise ValueError("a path of this machine")


LocalPath = Annotated[Path, AfterValidator(_expanded)]
"""Absolute, whatever was written."""

Snowflake = Annotated[int, Field(ge=1, lt=2**63, description="an id such as 81384788765712384")]


class Section(BaseModel):
    """A table of the file. Frozen; a key that it doesn't have is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, given: object, info: ValidationInfo) -> object:
        """Pydantic would take it for 1."""
        values = given if isinstance(given, list) else [given]
        is_for_truth = cls.model_fields[info.field_name or ""].annotation is bool
        if not is_for_truth and any(isinstance(value, bool) for value in values):
            raise PydanticKnownError("int_type")
        return given


class Environment(EnvSettingsSource):
    """What should be JSON and isn't stays as it is written: the check of the values says what is wrong with it."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError):
            return value
