"""What every configuration here is: frozen, an unknown key is an error, each field's sentence is its
help."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
