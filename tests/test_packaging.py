"""What an installation carries: every package, nothing called `tools`, no second TensorFlow."""

from __future__ import annotations

import pathlib
import sys

import pytest

from migration import version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.quick

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {"ckpt_tools": "tools", "legacy_ckpt": "legacy_ckpt", "migration": "migration"}


def test_every_package_is_carried_under_its_import_name() -> None:
    there = {
        ".".join((name, *init.parent.relative_to(ROOT / folder).parts))
        for name, folder in FOLDERS.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    carried = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(there) == sorted(carried)


def test_every_module_is_in_a_package() -> None:
    for folder in FOLDERS.values():
        for module in (ROOT / folder).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), module


def test_tools_are_installed_as_ckpt_tools_only() -> None:
    assert PROJECT["tool"]["setuptools"]["package-dir"] == FOLDERS


@pytest.mark.parametrize("extra", [None, "test", "lint"])
def test_tensorflow_comes_with_its_own_extra_alone(extra: str | None) -> None:
    project = PROJECT["project"]
    wanted = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    assert not [each for each in wanted if each.startswith(("tensorflow", "keras"))]


def test_every_command_leads_to_a_script_of_the_tools_folder() -> None:
    for name, target in PROJECT["project"]["scripts"].items():
        module, _, function = target.partition(":")
        source = ROOT / "tools" / f"{module.rpartition('.')[2]}.py"
        assert name.startswith("ckpt-")
        assert f"def {function}(" in source.read_text()


def test_files_carry_the_version_of_the_package() -> None:
    assert PROJECT["project"]["version"] == version.VERSION
