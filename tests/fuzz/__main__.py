"""`python -m tests.fuzz TARGET --inputs N --seed S`: the long form of test_fuzz. Exit code 1 if an input fails.

A failing input is made as small as possible and put into the corpus, where the suite tries it from then on.
"""

import argparse
import sys
import traceback

from tests.fuzz.fuzzing import fuzz, replay
from tests.fuzz.progress import Progress
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Feed a reader with hostile inputs.")
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--inputs", type=int, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    options = parser.parse_args()
    target = TARGETS[options.target]
    num_kept = replay(target)
    progress = Progress(target.name, sys.stderr)
    report = fuzz(target, options.inputs, options.seed, on_batch=progress.tell)
    progress.end()
    print(
        f"{target.name}: {report.num_inputs:,} inputs and {num_kept} kept ones, seed {options.seed}, "
        f"{progress.seconds:.0f} s, the slowest {report.slowest_s * 1000:.1f} ms"
    )
    if report.found is None:
        return 0
    traceback.print_exception(report.found.error)
    print(f"It is kept as {report.found.keep(target)}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
