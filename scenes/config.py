"""The base of every configuration in all rooms: frozen, an unknown key is an error, the sentence below a
field is its help on the command line."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
