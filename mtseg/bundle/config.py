"""Reading a bundle's configuration into one self-contained dictionary."""

import re
from collections.abc import Sequence
from functools import cache, reduce
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser

from mtseg.errors import InputError

_INCLUDE = "%bundles/"

_NO_CLASS, _NOT_MADE = "Cannot locate class or function path", "Failed to instantiate component"
_WRONG_ARGUMENTS = re.compile(r"unexpected keyword argument|missing \d+ required")

_NULLABLE = ("tile_size",)
"""Lists that can be switched off."""

KINDS = {
    list: "a list, such as [a, b]",
    dict: "NAME: VALUE pairs, such as {a: 1}, or {}",
    bool: "true or false",  # any text, "none" too, would switch it on
}
"""What a setting must stay if it is one."""

_OPTIONS = {
    "cohort": "--cohort",
    "output": "--out",
    "fold": "--fold",
    "seed": "--seed",
    "resume": "--resume",
    "weights": "--weights",
    "bundle_root": "the bundle's folder as its name",
}
"""What a command says by other means, so that it would be ignored among the settings."""


def load_config(*files: str | PathLike, root: Path) -> dict[str, Any]:
    """Merge configuration files and replace what they include by its content.

    MONAI looks for included files below the working directory, and reads one anew for everything that is included from
    it; here they are found from anywhere, and read once, until they change.

    Args:
        files: YAML files; a later one replaces an earlier one's top-level keys.
        root: The folder that holds `bundles`.
    """

    def included(config: Any) -> Any:
        if isinstance(config, dict):
            return {key: included(value) for key, value in config.items()}
        if isinstance(config, list):
            return [included(value) for value in config]
        if isinstance(config, str) and config.startswith(_INCLUDE):
            file, *keys = config.removeprefix("%").split("::")
            return included(reduce(_item, keys, _read(root / file, (root / file).stat().st_mtime_ns)))
        return config

    parser = ConfigParser(config=included(ConfigParser.load_config_files(files)))
    parser.resolve_macro_and_relative_ids()
    return {key: value for key, value in parser.get().items() if key != ConfigParser.meta_key}


def misnamed_in(error: BaseException) -> str | None:
    """Find the class, or the argument of one, that does not exist, behind what MONAI makes of it."""
    if isinstance(error, ModuleNotFoundError) and _NO_CLASS in str(error):
        return str(error).rstrip(".")
    if str(error).startswith(_NOT_MADE) and _WRONG_ARGUMENTS.search(str(error.__cause__)):
        return str(error.__cause__)
    return None


@cache
def _read(file: Path, changed_ns: int) -> dict[str, Any]:
    """What is included takes longest to read, and is the same for one command after the other."""
    return ConfigParser.load_config_file(file)


def parse_settings(settings: Sequence[str], config: dict[str, Any]) -> dict[str, Any]:
    """Turn "epochs=50" into {"epochs": 50}; values are YAML.

    Raises:
        InputError: No "=", no YAML, the bundle has no such setting, an option of the command sets it, or it is a list,
            NAME: VALUE pairs or true or false and this is not.
    """
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if name in _OPTIONS:
            raise InputError(f"--set {setting}: use {_OPTIONS[name]}")
        if not equals or name not in config:
            raise InputError(f"--set {setting}: write NAME=VALUE, where NAME is one of {', '.join(config)}")
        try:
            parsed[name] = _value(value)
        except yaml.YAMLError as error:
            raise InputError(f"--set {setting}: cannot be read ({str(error).splitlines()[0]}). Write YAML") from None
        for kind, example in KINDS.items():
            off = parsed[name] is None and name in _NULLABLE
            if isinstance(config[name], kind) and not (isinstance(parsed[name], kind) or off):
                raise InputError(f"--set {setting}: {name} is {example}")
    return parsed


def _value(text: str) -> Any:
    """Read YAML, but 1e-3, also in NAME: VALUE pairs, as the number that it is to everybody but YAML 1.1."""
    value = yaml.safe_load(text)
    return {name: _number(part) for name, part in value.items()} if isinstance(value, dict) else _number(value)


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def check_strings(config: Any) -> None:
    """Refuse what MONAI would change without a word: it reads # as ::, in whatever string.

    Raises:
        InputError: Names the first such string.
    """
    if isinstance(config, str) and "#" in config:
        raise InputError(f"{config}: MONAI's configurations cannot hold a #. Rename the file, folder or class")
    for part in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        check_strings(part)


def _item(config: Any, key: str) -> Any:
    return config[int(key) if isinstance(config, list) else key]
