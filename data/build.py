"""Make the bars in data/bars from the data that three Python packages carry, or check that they are these.

    pip install arch backtesting
    pip install --no-deps skfolio
    python data/build.py            # write data/bars again
    python data/build.py --check    # only compare: values always, bytes where Arrow's version is the one of data/README.md

Needs algobot itself, arch (S&P 500, Nasdaq, VIX), backtesting (GOOG, EURUSD) and skfolio (RRC); of the last two only data files are read, no code is run.
"""
import argparse
import hashlib
import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from algobot.market.bars import COLUMNS, Bars
from algobot.market.bar_files import bars_path, write_bars
from algobot.market.bar_series import StoredBars
from algobot.market.store import read_csv

HERE = Path(__file__).resolve().parent
ROOT = HERE / "bars"


def package_file(package: str, *parts: str) -> Path:
    """A data file inside an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"the package {package} is needed: pip install {package}")
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)


def vix_bars() -> Bars:
    """VIX has one value a day: open = high = low = close, volume 0. Days on which the source writes "." (holidays) have no bar."""
    frame = pd.read_csv(package_file("arch", "data", "vix", "vix.csv.gz"), na_values=["."]).dropna()
    return Bars.from_frame(pd.DataFrame({"date": frame["Date"]} | dict.fromkeys(("open", "high", "low", "close"), frame["vix"])), "VIX", "1d")


def range_resources_bars() -> Bars:
    """One adjusted close a day: open = high = low = close, volume 0. Only days of the two indices, so that the three can be held together."""
    frame = pd.read_csv(package_file("skfolio", "datasets", "data", "sp500_dataset.csv.gz"))
    frame = frame[frame["Date"].between("1999-01-04", "2018-12-31")]
    return Bars.from_frame(pd.DataFrame({"date": frame["Date"]} | dict.fromkeys(("open", "high", "low", "close"), frame["RRC"])), "RRC", "1d")


def all_bars() -> list[Bars]:
    """Every series that is shipped, in the order of data/README.md."""
    return [
        read_csv(package_file("arch", "data", "sp500", "sp500.csv.gz"), "SPX", "1d"),
        read_csv(package_file("arch", "data", "nasdaq", "nasdaq.csv.gz"), "IXIC", "1d"),
        vix_bars(),
        range_resources_bars(),
        read_csv(package_file("backtesting", "test", "GOOG.csv"), "GOOG", "1d"),
        read_csv(package_file("backtesting", "test", "EURUSD.csv"), "EURUSD", "1h"),
    ]


def values_checksum(bars: Bars) -> str:
    """SHA-256 over the columns' bytes, times first, little-endian: does not depend on the file format or its writer's version."""
    digest = hashlib.sha256()
    for column in COLUMNS:
        values = getattr(bars, column)
        digest.update(np.ascontiguousarray(values.astype("int64") if column == "timestamps" else values).astype(values.dtype.newbyteorder("<") if column != "timestamps" else "<i8").tobytes())
    return digest.hexdigest()


def main() -> None:
    """Write or compare, and print a line for each series."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with what is there, write nothing")
    check, wrong = parser.parse_args().check, 0
    with tempfile.TemporaryDirectory() as scratch:
        for bars in all_bars():
            written = write_bars(bars, scratch if check else ROOT)
            stored = bars_path(ROOT, bars.symbol, bars.timeframe)
            source = StoredBars(stored, bars.symbol, bars.timeframe)
            same_values = values_checksum(source.window(0, len(source))) == values_checksum(bars)
            same_bytes = written.read_bytes() == stored.read_bytes()
            wrong += not same_values
            print(f"{stored.relative_to(ROOT)}  {len(bars)} bars  {str(bars.timestamps[0])[:16]} to {str(bars.timestamps[-1])[:16]}  "
                  f"values {'same' if same_values else 'DIFFER'}, bytes {'same' if same_bytes else 'differ (another version of Arrow?)'}")
            print(f"  file   {hashlib.sha256(stored.read_bytes()).hexdigest()}\n  values {values_checksum(bars)}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
