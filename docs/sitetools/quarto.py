"""Whether `nbdev_docs` still works for whoever has Quarto: nbdev's own processing of every notebook, which is what comes before Quarto."""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from sitetools.project import notebook_folder, notebooks


def process(notebook: str, target: str) -> str:
    """Process one notebook as `nbdev_docs` does; returns what went wrong, or nothing."""
    from nbdev.processors import FilterDefaults
    from nbdev.serve_drv import main

    try:
        main((Path(notebook), Path(target), FilterDefaults))
    except Exception as error:
        cause = error.__cause__
        return " ".join(f"{error} {type(cause).__name__ if cause else ''} {cause or ''}".split())
    return ""


def problems() -> Iterator[tuple[Path, str]]:
    """Each notebook with what stops `nbdev_docs` at it (nothing where all is well); exported cells and imports are run for this."""
    names = notebooks()
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(min(4, os.cpu_count() or 1), multiprocessing.get_context("spawn")) as pool:
        targets = [str(Path(folder) / f"{number}.ipynb") for number in range(len(names))]
        sources = [str(notebook_folder() / name) for name in names]
        yield from zip(names, pool.map(process, sources, targets), strict=True)
