"""One side of one benchmark, held ready in its own process: `worker.py FILE BENCHMARK SIDE SIZE`, JSON lines in and out."""
from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))
if os.environ.get("ALGOBOT_BENCH_SIDE") == "ours":
    sys.path.insert(0, str(FOLDER.parent))  # this checkout's algobot, installed or not


def main() -> None:
    """Prepare the side, then answer each `{"repeats": n}` with the seconds of n calls and the last outcome."""
    # Libraries print: what they write goes to stderr, and the answers have the real stdout for themselves.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**reply: object) -> None:
        answers.write(json.dumps(reply) + "\n")
        answers.flush()

    from harness import load_benchmarks, measure_once

    path, benchmark_name, side_name, size = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    try:
        benchmark = next(one for one in load_benchmarks(path) if one.name == benchmark_name)
        run = benchmark.side(side_name).make(size)
        answer(ready=True)
        for line in sys.stdin:
            seconds, shares, outcome = [], [], None
            for _ in range(json.loads(line)["repeats"]):
                second, share, outcome = measure_once(run)
                seconds.append(second)
                shares.append(share)
            answer(seconds=seconds, shares=shares, outcome=outcome)
    except Exception as error:  # told to run.py, which shows it with the end of stderr
        traceback.print_exc()
        answer(error=f"{type(error).__name__}: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
