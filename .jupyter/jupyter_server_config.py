"""Read by every JupyterLab that starts from .venv: notebooks are cleaned when they are saved. Linked there by `make setup`."""
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbdev.clean import clean_jupyter

c = get_config()  # type: ignore[name-defined]  # noqa: F821  Jupyter gives it to the files that it reads


def clean_before_save(model: dict[str, Any], path: str, contents_manager: Any, **other: Any) -> None:
    """Clean what is about to be written; Jupyter gives a path below its own folder, nbdev wants one that it finds."""
    with suppress(FileNotFoundError):  # a new notebook has been cleaned by then; nbdev misses the older file, whose trust it would renew
        clean_jupyter(model=model, path=Path(contents_manager.root_dir) / path)


c.ContentsManager.pre_save_hook = clean_before_save
