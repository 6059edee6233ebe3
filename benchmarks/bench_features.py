"""The feature store after a day of new bars: only these are computed, beside a store that begins anew and beside plain TA-Lib over the whole series with pandas.

All sides start with the same hourly bars in a store and end with 44 indicators of every bar in Parquet. `FeatureStore` has those of all but the last 24 bars; what it has is put back before every call, outside the figure.
The second side is the same store without any: what would have to be done were nothing kept. The third is what one writes without a store: TA-Lib's functions over whole columns of a frame that is in memory already, pandas for the scales, one
Parquet file. Its values of the last day are ours to 1e-6 and not to the bit, for TA-Lib's running sums and averages depend on where a series begins, and ours do not; two columns that add up volume from the first bar on (OBV, AD) are others there,
and are left out of the comparison.
"""
from __future__ import annotations

import shutil
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Benchmark, Row, Side, Timed, agree

OURS, WHOLE, PANDAS = "store, a day appended", "store, from the first bar", "TA-Lib and pandas, whole"
ADDED = 24
SUMS = ("volume.obv", "volume.accumulation")
FOLDERS: list[tempfile.TemporaryDirectory[str]] = []  # removed when the side's process ends


def stored(size: int) -> tuple[Path, Any]:
    """A folder with a store of bars, and the bars."""
    import numpy as np
    from algobot.market.bars import Bars
    from algobot.market.store import write_bars
    from markets import market

    FOLDERS.append(tempfile.TemporaryDirectory())
    folder = Path(FOLDERS[-1].name)
    times = np.datetime64("2000-01-03", "ns") + np.arange(size) * np.timedelta64(1, "h")
    bars = Bars("WALK", "1h", times, **market(size))
    write_bars(bars, folder / "bars")
    return folder, bars


def outcome(last: Any, names: Any) -> dict[str, float]:
    """The last day's values, summed, and their bytes."""
    import numpy as np

    same = [name not in SUMS for name in names]
    return {"sum": float(np.abs(last[:, same]).sum()), "bytes": zlib.crc32(np.ascontiguousarray(last).tobytes())}


def with_store(size: int, kept: int) -> Callable[[], Timed]:
    """`FeatureStore.update`, with the features of the first `kept` bars there already."""
    from algobot.market.feature_set import load_feature_set
    from algobot.market.feature_store import FeatureStore
    from algobot.market.store import write_bars

    folder, bars = stored(size)
    if kept:
        write_bars(bars.window(0, kept), folder / "shorter")
        FeatureStore(load_feature_set(), folder / "shorter", folder / "before").update("WALK", "1h")

    def run() -> Timed:
        shutil.rmtree(folder / "features", ignore_errors=True)
        if kept:
            shutil.copytree(folder / "before", folder / "features")
        store = FeatureStore(load_feature_set(), folder / "bars", folder / "features")
        start = time.perf_counter()
        done = store.update("WALK", "1h")
        seconds = time.perf_counter() - start
        if done.kept != kept:
            raise RuntimeError(f"{done.kept} rows were kept, {kept} are right")
        return Timed(seconds, outcome(store.window("WALK", "1h", size - ADDED, ADDED).values, store.names))

    return run


def appended(size: int) -> Callable[[], Timed]:
    """All but the last day are there."""
    return with_store(size, size - ADDED)


def anew(size: int) -> Callable[[], Timed]:
    """Nothing is there."""
    return with_store(size, 0)


def with_pandas(size: int) -> Callable[[], Timed]:
    """Every column whole, by TA-Lib's functions of pandas' columns."""
    import pandas as pd
    import talib
    from algobot.market.feature_set import load_feature_set, talib_inputs
    from talib.abstract import Function  # type: ignore[attr-defined]

    feature_set = load_feature_set()
    folder, bars = stored(size)
    frame = pd.DataFrame({name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}, index=bars.timestamps)

    def column(indicator: Any) -> Any:
        answer = getattr(talib, indicator.function)(*(frame[name] for name in indicator.inputs or talib_inputs(indicator.function)), **indicator.parameters)
        names = Function(indicator.function).info["output_names"]
        return answer[names.index(indicator.output)] if len(names) > 1 else answer

    def scaled(indicator: Any, unit: Any) -> Any:
        values, close = column(indicator), frame["close"]
        if indicator.scale == "price":
            values = values / close
        elif indicator.scale == "atr":
            values = values / unit
        elif indicator.scale == "distance":
            values = (close - values) / unit
        elif indicator.scale == "volume":
            values = values / frame["volume"].rolling(indicator.memory).mean()
        return (values - indicator.minus) / indicator.over

    def run() -> Timed:
        start = time.perf_counter()
        unit = column(feature_set.unit)
        table = pd.DataFrame({name: scaled(indicator, unit) for name, indicator in feature_set.indicators.items()})
        table.to_parquet(folder / "features.parquet")
        seconds = time.perf_counter() - start
        return Timed(seconds, outcome(table.to_numpy()[-ADDED:], list(table)))

    return run


def check(outcomes: dict[str, Any]) -> None:
    """The two stores' values to the bit, pandas' to 1e-6."""
    agree({name: outcomes[name] for name in (OURS, WHOLE)}, "bytes")
    agree(outcomes, "sum", 1e-6)


FEATURES = Benchmark(
    name="features", unit="s", size=50_000, quick_size=5_000, per_second=False, check=check,
    sides=(Side(OURS, appended), Side(WHOLE, anew), Side(PANDAS, with_pandas)),
    rows=(Row("features-append", OURS, WHOLE), Row("features-append-pandas", OURS, PANDAS)))
