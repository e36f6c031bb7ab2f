from dataclasses import dataclass
from typing import Any

import pytest

from bot.errors import CheckpointError
from bot.models.config_json import pick, refuse_options, require_positive


@dataclass(frozen=True)
class Options:
    width: int
    rate: float = 0.5
    flag: bool = False
    name: str = "a"
    sizes: tuple[int, ...] = (1, 2)


def test_what_is_given_and_what_is_not() -> None:
    assert pick(Options, {"width": 3}, "f") == Options(3)
    given = {"width": 3, "rate": 1, "flag": True, "name": "b", "sizes": [4], "unknown": object()}
    assert pick(Options, given, "f") == Options(3, 1, True, "b", (4,))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "f: option width is missing."),
        ({"width": "3"}, "f: option width must be of type int, not '3'."),
        ({"width": True}, "f: option width must be of type int, not True."),
        ({"width": 3.0}, "f: option width must be of type int, not 3.0."),
        ({"width": None}, "f: option width must be of type int, not None."),
        ({"width": 3, "rate": "1"}, "f: option rate must be of type float, not '1'."),
        ({"width": 3, "flag": 1}, "f: option flag must be of type bool, not 1."),
        ({"width": 3, "name": ["b"]}, "f: option name must be of type str, not ['b']."),
        ({"width": 3, "sizes": 4}, "f: option sizes must be a list of int, not 4."),
        ({"width": 3, "sizes": [4, 0.5]}, "f: option sizes must be a list of int, not [4, 0.5]."),
    ],
)
def test_a_wrong_option_is_named(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        pick(Options, data, "f")
    assert str(caught.value) == sentence


def test_an_option_that_is_not_supported_is_named() -> None:
    required = {"use_alibi": False, "ln_type": "layernorm"}
    refuse_options({"use_alibi": False}, required, "f")
    with pytest.raises(CheckpointError, match="f: option ln_type = 'rmsnorm' is not supported; only 'layernorm' is"):
        refuse_options({"ln_type": "rmsnorm"}, required, "f")


@pytest.mark.parametrize("value", [{"width": 0}, {"width": -1}, {"sizes": ()}, {"sizes": (1, 0)}])
def test_an_option_below_one_is_named(value: dict[str, Any]) -> None:
    require_positive(Options(1), ("width", "sizes"), "f")
    with pytest.raises(CheckpointError, match=f"f: option {next(iter(value))} must be at least 1, not"):
        require_positive(Options(**{"width": 1, **value}), ("width", "sizes"), "f")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"width": 10**9}, "f: option width holds 1000000000, which is beyond every model."),
        ({"width": -(10**4000)}, f"f: option width holds -1{'0' * 78}, which is beyond every model."),
        ({"width": 1, "rate": 10**400}, f"f: option rate holds 1{'0' * 79}, which is beyond every model."),
        ({"width": 1, "sizes": [1] * 33}, f"f: option sizes holds {'1, ' * 26}1,, which is beyond every model."),
        ({"width": 1, "sizes": [10**9]}, "f: option sizes holds 1000000000, which is beyond every model."),
        ({"width": 1, "num_hidden_layers": 257}, "f: option num_hidden_layers holds 257, which is beyond every model."),
        ({"width": ["x"] * 1000}, f"f: option width must be of type int, not {repr(['x'] * 1000)[:80]}."),
    ],
)
def test_what_would_take_for_ever_to_build_is_refused(data: dict[str, Any], sentence: str) -> None:
    @dataclass(frozen=True)
    class Layered(Options):
        num_hidden_layers: int = 2

    with pytest.raises(CheckpointError) as caught:
        pick(Layered, data, "f")
    assert str(caught.value) == sentence
