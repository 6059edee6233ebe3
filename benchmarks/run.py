"""Measure algobot against its peers: `python benchmarks/run.py [--only NAME]`, also `make bench` and `make bench ONLY=NAME`.

Prints one table and writes benchmarks/results.json. How to read both, and what is compared: benchmarks/README.md.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import FOLDER, Benchmark, BenchmarkError, Row, load_benchmarks, run_benchmark
from peers import prepare
from rich.console import Console
from rich.table import Table

RESULTS = FOLDER / "results.json"
BUSY_SHARE = 0.8  # of a core: below it other processes are in the figures


def find_rows(only: str | None) -> list[tuple[Path, Benchmark, list[Row]]]:
    """Every file's benchmarks with the rows asked for; `only` names a row or a benchmark."""
    found = [(path, benchmark) for path in sorted(FOLDER.glob("bench_*.py")) for benchmark in load_benchmarks(path)]
    names = [row.name for _, benchmark in found for row in benchmark.rows]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise BenchmarkError(f"row names used twice: {', '.join(doubled)}")
    wanted = [(path, benchmark, [row for row in benchmark.rows if only in (None, benchmark.name, row.name)]) for path, benchmark in found]
    wanted = [entry for entry in wanted if entry[2]]
    if not wanted:
        known = "\n".join(f"  {benchmark.name}: {', '.join(row.name for row in benchmark.rows)}" for _, benchmark in found)
        raise BenchmarkError(f"no benchmark or row is named {only!r}; there are\n{known}")
    return wanted


def failed_row(benchmark: Benchmark, row: Row, error: Exception) -> dict[str, Any]:
    """The entry of a row that could not be measured: no figures, not met, and why."""
    return {"name": row.name, "unit": benchmark.unit, "ours": None, "peer": None, "peer_name": row.peer, "ratio": None, "target": row.target,
            "met": False, "benchmark": benchmark.name, "target_on": row.target_on, "note": row.note, "error": str(error)}


def write_results(rows: list[dict[str, Any]], keep_others: bool) -> None:
    """Write results.json in one rename; with `keep_others` the rows of other names stay as they were, each in its place."""
    if keep_others and RESULTS.is_file():
        new = {row["name"]: row for row in rows}
        old = json.loads(RESULTS.read_text(encoding="utf-8"))
        rows = [new.pop(row["name"], row) for row in old] + list(new.values())
    handle, temporary = tempfile.mkstemp(dir=FOLDER, prefix="results-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
            file.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, RESULTS)
    except BaseException:
        os.unlink(temporary)
        raise


def shown(value: float | None) -> str:
    """A figure for the table."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table_of(rows: list[dict[str, Any]]) -> Table:
    """The one table: each row's figures, its target and whether it is met."""
    table = Table(title="algobot against its peers, interleaved in one run; threads: ours / the peer's")
    for column in ("name", "unit", "ours", "peer", "peer name", "threads", "ratio", "target", "met"):
        table.add_column(column, justify="left" if column in ("name", "unit", "peer name", "met") else "right")
    for row in rows:
        sign = "≥ " if row["target_on"] == "ratio" else ("ours ≥ " if row["unit"].endswith("/s") else "ours ≤ ")
        unit = "×" if row["target_on"] == "ratio" else f" {row['unit']}"
        target = f"{sign}{row['target'] if row['target'] < 1e6 else shown(row['target'])}{unit}" if row["target"] is not None else "-"
        met = {None: "-", True: "[green]yes[/]", False: "[red]no[/]"}[row["met"]]
        ratio = "-" if row["ratio"] is None else f"{shown(row['ratio'])}×"
        threads = f"{row.get('threads_ours', 1)} / {row.get('threads_peer', 1)}"
        table.add_row(row["name"], row["unit"], shown(row["ours"]), shown(row["peer"]), row["peer_name"], threads, ratio, target,
                      met if "error" not in row else "[red]failed[/]")
    return table


def main() -> int:
    """Exit code 0 when everything was measured, met or not; 1 when something could not be measured or did different work."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="NAME", help="one row or one benchmark by name; its rows replace theirs in results.json")
    parser.add_argument("--quick", action="store_true", help="small sizes, for working on a benchmark; writes no results")
    parser.add_argument("--list", action="store_true", help="show the names and end")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        wanted = find_rows(arguments.only or None)
    except BenchmarkError as error:
        console.print(f"[red]{error}[/]")
        return 1
    if arguments.list:
        for _, benchmark, rows in wanted:
            console.print(f"{benchmark.name}: {', '.join(row.name for row in rows)}")
        return 0

    results: list[dict[str, Any]] = []
    pythons: dict[str, Path | str] = {"ours": sys.executable}
    with console.status("starting") as status:
        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal and "round" not in text:
                print(text, flush=True)

        for path, benchmark, rows in wanted:
            try:
                for side in benchmark.sides:
                    if side.environment not in pythons and any(side.name in (row.ours, row.peer) for row in rows):
                        pythons[side.environment] = prepare(side.environment, say)
                result = run_benchmark(path, benchmark, rows, pythons, arguments.quick, say)
                results += [result.row(row) for row in rows]
            except BenchmarkError as error:
                console.print(f"[red]{benchmark.name}:[/] {error}", markup=True, highlight=False)
                results += [failed_row(benchmark, row, error) for row in rows]
            if not arguments.quick:
                write_results(results, keep_others=True)  # what was measured is kept when a later benchmark is interrupted
    console.print(table_of(results))
    busy = [row["name"] for row in results if min(row.get("core_share_ours", 1.0), row.get("core_share_peer", 1.0)) < BUSY_SHARE]
    if busy:
        console.print(f"[yellow]The machine was busy (a side had less than {BUSY_SHARE:.0%} of a core) in {', '.join(busy)}: repeat when it is not.[/]")
    if not arguments.quick:
        write_results(results, keep_others=arguments.only is not None)
        console.print(f"written to {RESULTS.relative_to(FOLDER.parent)}")
    return 1 if any("error" in row for row in results) else 0


if __name__ == "__main__":
    sys.exit(main())
