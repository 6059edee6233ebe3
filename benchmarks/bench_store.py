"""What a random window of 512 rows out of 10 million costs: from the store's memory map, from a bare one, and from Parquet by Arrow's own means.

Every side gives the same windows as arrays (512, 5) of float32, which the check holds together by a sum. A window is one row range, drawn at random, so that no cache of the
processor helps; the operating system's file cache is warm, except in the rows called cold, where it is told to drop the file before every window (outside the time).
The bare memory map is `numpy.memmap` as plainly as it goes: a slice of its base array, copied. The files are made once and stay in the temporary folder, about 2.5 GB.
"""
from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Benchmark, Row, Side, Timed, agree

LENGTH, BATCH, CHECKED = 512, 256, 10
ONE, MANY = "algobot, one window", f"algobot, batches of {BATCH}"
BARE_ONE, BARE_MANY = "bare memory map, one window", f"bare memory map, batches of {BATCH}"
FILTER, GROUP = "pyarrow data set filter", "pyarrow read_row_group"
COLD, COLD_BARE, COLD_GROUP = "algobot, cold", "bare memory map, cold", "pyarrow read_row_group, cold"
SYMBOL, TIMEFRAME, FIRST, COLUMNS = "WALK", "1m", "1990-01-01", ["open", "high", "low", "close", "volume"]


def prepare(size: int) -> Path:
    """The folder with the store, the plain array, and two Parquet files as Arrow writes them; made by whoever comes first."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from algobot.market.bars import Bars
    from algobot.market.store import DataLoader, write_bars
    from filelock import FileLock

    folder = Path(tempfile.gettempdir()) / f"algobot-bench-store-{size}"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "done").exists():
            generator = np.random.default_rng(0)
            close = 100 * np.exp(np.cumsum(generator.normal(0, 1e-4, size)))
            opening = np.append(100.0, close[:-1])
            times = np.datetime64(FIRST, "ns") + np.arange(size) * np.timedelta64(1, "m")
            bars = Bars(SYMBOL, TIMEFRAME, times, opening, np.maximum(opening, close) * 1.0001, np.minimum(opening, close) * 0.9999, close, generator.lognormal(8, 1, size))
            write_bars(bars, folder / "bars")
            DataLoader(folder / "bars").mapped(SYMBOL, TIMEFRAME)
            np.save(folder / "rows.npy", np.column_stack([getattr(bars, name) for name in COLUMNS]).astype(np.float32))
            table = pa.table({"ts": times} | {name: getattr(bars, name) for name in COLUMNS})
            pq.write_table(table, folder / "groups_4k.parquet", row_group_size=4096)
            pq.write_table(table, folder / "groups_64k.parquet", row_group_size=65536)
            (folder / "done").touch()
    return folder


def places(size: int, count: int) -> Any:
    """Where the windows begin; the same on every side, in every round."""
    import numpy as np

    return np.random.default_rng(1).integers(0, size - LENGTH, count)


def drop(path: Path) -> None:
    """Ask the system to drop a file from its cache."""
    handle = os.open(path, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def one_by_one(read: Callable[[int], Any], size: int, count: int, before: Callable[[], None] | None = None) -> Callable[[], Timed]:
    """A side that reads windows singly; `before` each, untimed, the cache may be dropped. Microseconds per window."""
    starts = [int(start) for start in places(size, count)]

    def run() -> Timed:
        total, seconds = 0.0, 0.0
        if before is None:
            begin = time.perf_counter()
            for start in starts:
                read(start)
            seconds = time.perf_counter() - begin
        else:
            for start in starts:
                before()
                begin = time.perf_counter()
                read(start)
                seconds += time.perf_counter() - begin
        for start in starts[:CHECKED]:
            total += float(read(start).sum(dtype="f8"))
        return Timed(1e6 * seconds / count, {"sum of the first windows": total})

    return run


def in_batches(read: Callable[[Any, Any], Any], size: int) -> Callable[[], Timed]:
    """A side that reads `BATCH` windows at a time into an array that it is given."""
    import numpy as np

    starts = places(size, 80 * BATCH).reshape(80, BATCH)
    out = np.empty((BATCH, LENGTH, len(COLUMNS)), np.float32)

    def run() -> Timed:
        begin = time.perf_counter()
        for some in starts:
            read(some, out)
        seconds = time.perf_counter() - begin
        read(starts[0], out)
        return Timed(1e6 * seconds / starts.size, {"sum of the first windows": sum(float(window.sum(dtype="f8")) for window in out[:CHECKED])})

    return run


def ours_one(size: int) -> Callable[[], Timed]:
    """`MappedBars.window_rows`."""
    from algobot.market.store import DataLoader

    mapped = DataLoader(prepare(size) / "bars").mapped(SYMBOL, TIMEFRAME)
    return one_by_one(lambda start: mapped.window_rows(start, LENGTH), size, 20_000)


def ours_many(size: int) -> Callable[[], Timed]:
    """`EpisodeSampler.rows`, for given places."""
    import numpy as np
    from algobot.market.sampling import Episodes
    from algobot.market.store import DataLoader

    sampler, tasks = DataLoader(prepare(size) / "bars").episodes(LENGTH), np.zeros(BATCH, np.int64)
    return in_batches(lambda starts, out: sampler.rows(Episodes(tasks, starts), out), size)


def bare(size: int) -> Any:
    """The plain array, mapped."""
    import numpy as np

    return np.asarray(np.load(prepare(size) / "rows.npy", mmap_mode="r"))


def bare_one(size: int) -> Callable[[], Timed]:
    """A slice, copied."""
    rows = bare(size)
    return one_by_one(lambda start: rows[start : start + LENGTH].copy(), size, 20_000)


def bare_many(size: int) -> Callable[[], Timed]:
    """Slices, copied into the batch one after the other."""
    rows = bare(size)

    def read(starts: Any, out: Any) -> None:
        for position, start in enumerate(starts.tolist()):
            out[position] = rows[start : start + LENGTH]

    return in_batches(read, size)


def filtered(size: int) -> Callable[[], Timed]:
    """A data set asked for a span of time; row groups of 65,536, with which it is quickest."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.dataset as ds

    data, first, minute = ds.dataset(prepare(size) / "groups_64k.parquet"), np.datetime64(FIRST, "ns"), np.timedelta64(1, "m")

    def read(start: int) -> Any:
        begin, end = (pa.scalar(first + place * minute) for place in (start, start + LENGTH))
        table = data.to_table(columns=COLUMNS, filter=(ds.field("ts") >= begin) & (ds.field("ts") < end))
        return np.column_stack([table.column(name).to_numpy() for name in COLUMNS]).astype(np.float32)

    return one_by_one(read, size, 20)


def group_reader(size: int) -> Callable[[int], Any]:
    """The one or two row groups that hold a window; groups of 4,096, with which it is quickest."""
    import numpy as np
    import pyarrow.parquet as pq

    file = pq.ParquetFile(prepare(size) / "groups_4k.parquet", memory_map=True)

    def read(start: int) -> Any:
        groups = list(range(start // 4096, (start + LENGTH - 1) // 4096 + 1))
        table = file.read_row_groups(groups, columns=COLUMNS, use_threads=False).slice(start - groups[0] * 4096, LENGTH)
        return np.column_stack([table.column(name).to_numpy() for name in COLUMNS]).astype(np.float32)

    return read


def ours_cold(size: int) -> Callable[[], Timed]:
    """`MappedBars.window_rows` after its file was dropped from memory."""
    from algobot.market.array_cache import PAGES
    from algobot.market.bar_files import cache_path
    from algobot.market.store import DataLoader

    root = prepare(size) / "bars"
    mapped, path = DataLoader(root).mapped(SYMBOL, TIMEFRAME), cache_path(root, SYMBOL, TIMEFRAME, ".arrays")

    def forget() -> None:
        PAGES.release()  # pages that a process has mapped are not dropped
        drop(path)

    return one_by_one(lambda start: mapped.window_rows(start, LENGTH), size, 200, forget)


def bare_cold(size: int) -> Callable[[], Timed]:
    """A slice of the plain array after its file was dropped; mapped anew each time, since a mapped page is not dropped."""
    import numpy as np

    path, held = prepare(size) / "rows.npy", []

    def forget() -> None:
        held.clear()
        drop(path)
        held.append(np.asarray(np.load(path, mmap_mode="r")))

    forget()
    return one_by_one(lambda start: held[0][start : start + LENGTH].copy(), size, 200, forget)


def group_cold(size: int) -> Callable[[], Timed]:
    """Row groups read from a file that was dropped and is opened anew, its footer being read before the time."""
    path, held = prepare(size) / "groups_4k.parquet", []

    def forget() -> None:
        held.clear()
        drop(path)
        held.append(group_reader(size))

    forget()
    return one_by_one(lambda start: held[0](start), size, 10, forget)


SETTINGS: dict[str, Any] = {"unit": "µs/window", "per_second": False, "size": 10_000_000, "quick_size": 1_000_000,
                            "check": lambda outcomes: agree(outcomes, "sum of the first windows", 1e-12)}

WARM = Benchmark(
    name="store-window", **SETTINGS,
    sides=(Side(ONE, ours_one), Side(MANY, ours_many), Side(BARE_ONE, bare_one), Side(BARE_MANY, bare_many),
           Side(FILTER, filtered), Side(GROUP, lambda size: one_by_one(group_reader(size), size, 300))),
    rows=(
        Row("store-window-one", ONE, BARE_ONE, target=5.0, target_on="ours"),
        Row("store-window-one-bare", ONE, BARE_ONE, target=0.667, note="at most 1.5 times a bare memory map's time"),
        Row("store-window-batch", MANY, BARE_MANY, target=3.0, target_on="ours"),
        Row("store-window-batch-bare", MANY, BARE_MANY, target=0.667, note="at most 1.5 times a bare memory map's time"),
        Row("store-window-filter", ONE, FILTER),
        Row("store-window-group", ONE, GROUP),
    ),
)

COLD_WINDOWS = Benchmark(
    name="store-window-cold", **SETTINGS,
    sides=(Side(COLD, ours_cold), Side(COLD_BARE, bare_cold), Side(COLD_GROUP, group_cold)),
    rows=(
        Row("store-window-cold-bare", COLD, COLD_BARE, note="the file dropped from memory before every window"),
        Row("store-window-cold-group", COLD, COLD_GROUP, note="the file dropped from memory before every window"),
    ),
)
