"""Keys of the release before are understood, in mappings and as flags, and the new key is said."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest
from pydantic import ValidationError

from scenes.config import Config, current_flags, say_renamed


class Engine(Config):
    renamed: ClassVar[Mapping[str, str]] = {"thirst": "fuel.litres"}

    class Fuel(Config):
        litres: float = 5.0
        kind: str = "diesel"

    fuel: Fuel = Fuel()
    turbo: bool = False


class Car(Config):
    renamed: ClassVar[Mapping[str, str]] = {"motor": "engine", "fast": "engine.turbo"}

    engine: Engine = Engine()
    doors: int = 4


@pytest.fixture(autouse=True)
def _say_again() -> Iterator[None]:
    say_renamed.cache_clear()
    yield
    say_renamed.cache_clear()


def test_an_old_key_is_laid_over_the_new_and_said_once(capsys):
    data = {"engine": {"fuel": {"kind": "petrol", "litres": 9}, "turbo": True}, "motor": {"thirst": 7}}
    assert Car.model_validate(data) == Car.model_validate(
        {"engine": {"turbo": True, "fuel": {"kind": "petrol", "litres": 7}}}
    )
    assert data["motor"] == {"thirst": 7}  # what was given stays as it was
    Car.model_validate({"fast": True, "motor": {}})
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"{old} is now {new}: the old key is understood for one more release"
        for old, new in (("motor", "engine"), ("thirst", "fuel.litres"), ("fast", "engine.turbo"))
    ]


def test_an_old_key_meets_a_config_that_was_given_as_such():
    assert Car.model_validate({"engine": Engine(turbo=True), "motor": {"thirst": 7}}).engine == Engine(
        turbo=True, fuel=Engine.Fuel(litres=7)
    )


def test_old_keys_are_inherited():
    class Van(Car):
        renamed: ClassVar[Mapping[str, str]] = {"gates": "doors"}

    assert Van.model_validate({"gates": 5, "fast": True}) == Van(doors=5, engine=Engine(turbo=True))
    assert current_flags(Van, ["--gates", "5", "--fast"]) == ["--doors", "5", "--engine.turbo"]


def test_keys_that_never_were_are_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        Car.model_validate({"wheels": 3})


def test_flags_of_old_keys_become_those_of_new_ones(capsys):
    old = ["--motor.thirst", "7", "--fast", "--motor.no-turbo", "--doors=2", "plain", "--none.of-these"]
    assert current_flags(Car, old) == [
        "--engine.thirst",
        "7",
        "--engine.turbo",
        "--engine.no-turbo",
        "--doors=2",
        "plain",
        "--none.of-these",
    ]
    assert current_flags(Car, ["--engine.thirst=7", "--no-fast"]) == [
        "--engine.fuel.litres=7",
        "--engine.no-turbo",
    ]
    assert "thirst is now fuel.litres" in capsys.readouterr().err
