"""Where the key of the language model comes from, and who does not get it."""

from pathlib import Path

import pytest

from concordiad.config.tables import Gemini
from concordiad.errors import ConfigError
from concordiad.meaning.key import find_key, find_place, own_file, without_key

KEY = "AIza-hush-0123456789"


def write(path: Path, value: str = KEY, mode: int = 0o600) -> Path:
    """Write a file with a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")
    path.chmod(mode)
    return path


def of_person(home: Path) -> dict[str, str]:
    """Make a person's environment."""
    return {"HOME": str(home)}


def test_own_file(tmp_path: Path) -> None:
    """Without a word in the configuration the key is beside it, where `setup` puts it."""
    write(tmp_path / ".config" / "concordia" / "gemini_api_key")
    assert find_key(Gemini(), of_person(tmp_path)) == KEY


def test_configured_file(tmp_path: Path) -> None:
    """A path is a path, and what is not there is not looked for elsewhere."""
    place = write(tmp_path / "key")
    environment = {**of_person(tmp_path), "GEMINI_API_KEY": "another"}
    assert find_key(Gemini(credential=str(place)), environment) == KEY
    place.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        find_key(Gemini(credential=str(place)), environment)


def test_credential_of_systemd_comes_first(tmp_path: Path) -> None:
    """Then the person's file, then the variable."""
    environment = {**of_person(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path / "c"), "GEMINI_API_KEY": "variable"}
    assert find_key(Gemini(), environment) == "variable"
    write(own_file("gemini_api_key", environment), "file")
    assert find_key(Gemini(), environment) == "file"
    write(tmp_path / "c" / "gemini_api_key", "credential", 0o440)
    assert find_key(Gemini(), environment) == "credential"
    assert find_place(Gemini(), environment) == "gemini_api_key"


@pytest.mark.parametrize("environment", [{}, {"GEMINI_API_KEY": ""}, {"GEMINI_API_KEY": " \n"}])
def test_no_key(tmp_path: Path, environment: dict[str, str]) -> None:
    """Where there is none, it is said how to get one in."""
    with pytest.raises(ConfigError, match="concordiactl setup gemini"):
        find_key(Gemini(), {**of_person(tmp_path), **environment})


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_key_that_others_can_read(tmp_path: Path, mode: int) -> None:
    """It is refused, and the remedy is a command."""
    place = write(own_file("gemini_api_key", of_person(tmp_path)), mode=mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {place}"):
        find_key(Gemini(), of_person(tmp_path))


@pytest.mark.parametrize("value", ["", "two words", "two\nlines", "schlüssel", "a\x00b"])
def test_what_is_no_key_is_not_shown(tmp_path: Path, value: str) -> None:
    """It could not be sent, or would be cut; the error does not hold it."""
    write(own_file("gemini_api_key", of_person(tmp_path)), value)
    with pytest.raises(ConfigError) as caught:
        find_key(Gemini(), of_person(tmp_path))
    assert not value or value not in str(caught.value)


def test_variables_with_the_key_are_left_out() -> None:
    """By whatever name, and inside of another value too; what has another key stays."""
    environment = {
        "GEMINI_API_KEY": KEY,
        "GOOGLE_API_KEY": KEY,
        "OPTS": f"--key={KEY}",
        "PATH": "/bin",
        "OTHER_KEY": "x",
    }
    assert without_key(environment, KEY) == {"PATH": "/bin", "OTHER_KEY": "x"}
