"""Do the notebooks and the exported package agree, and are the notebooks clean?

Works on a copy: the package is deleted there, exported again from the notebooks and cleaned; then it must equal the tree byte for byte.
"""
from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("nbs", "algobot")
FILES = ("settings.ini", "setup.py", "pyproject.toml", "README.md")


def copied_files(root: Path) -> set[Path]:
    """The notebooks and Python files below the folders that are compared, relative to root."""
    found = {path for folder in FOLDERS for pattern in ("*.ipynb", "*.py") for path in (root / folder).rglob(pattern)}
    return {path.relative_to(root) for path in found if not {".ipynb_checkpoints", "__pycache__"} & set(path.parts)}


def run(command: str, folder: Path) -> None:
    """Run one of nbdev's commands in the copy, and stop with its output where it fails."""
    done = subprocess.run([str(Path(sys.executable).with_name(command))], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout}{done.stderr}")


def differences() -> list[str]:
    """One line for every file that a fresh export and clean would change, add or remove."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "copy"
        ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        copy.mkdir()
        for folder in FOLDERS:
            shutil.copytree(ROOT / folder, copy / folder, ignore=ignore)
        for name in FILES:
            shutil.copy(ROOT / name, copy / name)
        for module in (copy / "algobot").rglob("*.py"):
            if module.name != "__init__.py":
                module.unlink()
        run("nbdev_export", copy)
        run("nbdev_clean", copy)
        here, there = copied_files(ROOT), copied_files(copy)
        lines = [f"{path}: no notebook makes it (delete it)" for path in sorted(here - there)]
        lines += [f"{path}: not exported yet" for path in sorted(there - here)]
        return lines + [f"{path}: differs from a fresh export and clean" for path in sorted(here & there) if not filecmp.cmp(ROOT / path, copy / path, shallow=False)]


if __name__ == "__main__":
    found = differences()
    if found:
        sys.exit("\n".join([*found, "Mend it with: make export"]))
    print("Notebooks are clean and agree with the package.")
