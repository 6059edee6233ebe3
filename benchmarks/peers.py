"""The peers' own virtual environments, made with `python -m venv` and plain pip, and kept while their pins stay the same."""
from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harness import FOLDER, ROOT, BenchmarkError

# Packages that a peer must not drag in: gigabytes, and another torch. A pin file that names one has asked for it.
UNWANTED = ("torch", "triton", "nvidia-", "cuda-", "tensorflow", "jax")


def pins_path(name: str) -> Path:
    """`peers` -> benchmarks/peers.txt."""
    return FOLDER / f"{name}.txt"


def environment_path(name: str) -> Path:
    """`peers` -> .venv-bench; `peers-sb3` -> .venv-bench-sb3, for peers that cannot share one."""
    return ROOT / (".venv-bench" + name.removeprefix("peers"))


def _call(command: list[str], what: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BenchmarkError(f"{what} failed: {' '.join(command)}\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def _unwanted(python: Path, pins: str) -> list[str]:
    """Installed distributions that `UNWANTED` names and the pin file does not."""
    listing = _call([str(python), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"], "Listing the peers' packages")
    pinned = {line.split("==")[0].strip().lower() for line in pins.splitlines()}
    names = [line.split("==")[0].strip().lower() for line in listing.splitlines() if "==" in line]
    return [name for name in names if name not in pinned and any(name == bad or (bad.endswith("-") and name.startswith(bad)) for bad in UNWANTED)]


def prepare(name: str, say: Callable[[str], None]) -> Path:
    """The Python of the environment that benchmarks/NAME.txt pins; made, or made anew, when it is not there as pinned."""
    pins_file, folder = pins_path(name), environment_path(name)
    if not pins_file.is_file():
        raise BenchmarkError(f"no {pins_file}: an environment's name is that of its pin file in benchmarks/")
    pins = pins_file.read_text(encoding="utf-8")
    stamp = folder / "pins.sha256"
    digest = hashlib.sha256(f"{sys.version}\n{pins}".encode()).hexdigest()
    python = folder / "bin" / "python"
    if python.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return python
    say(f"installing the peers of {pins_file.name} into {folder.name} (about a minute, once)")
    stamp.unlink(missing_ok=True)  # written last, so that a broken install is made anew
    _call([sys.executable, "-m", "venv", "--clear", str(folder)], "Making the peers' environment")
    _call([str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-q", "-r", str(pins_file)], "Installing the peers")
    unwanted = _unwanted(python, pins)
    if unwanted:
        raise BenchmarkError(f"{pins_file.name} pulled in {', '.join(unwanted)}: pin a version that does not, or name it in the file if it is wanted")
    stamp.write_text(digest, encoding="utf-8")
    return python
