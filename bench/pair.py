#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""pair.py [--runs N] [--frames N] [--hellos N] NAME=COMMAND...

Runs the commands in turn, A B C A B C ..., so that whatever else the machine does hits all of them
alike, and prints a line for each: medians of wall and CPU seconds, the least CPU seconds, the ratio
to the first command (median over the rounds of this round's ratio), its spread, and the peak of
resident memory. Rates are given by wall and by CPU time: on a machine that does something else, only the second means
much. CPU time is that of all threads: where reading has one of its own, the wall clock is less.
Memory below what this script itself takes (some 11 MiB) does not show: the kernel's peak
begins before exec. Ends 1 when a command fails.
"""

import argparse
import os
import shlex
import statistics
import sys
import time


def run(words):
    """(wall seconds, CPU seconds, peak kB, output) of one process."""
    read, write = os.pipe()
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        try:
            os.execvp(words[0], words)
        except OSError as e:
            print(f"pair.py: {words[0]}: {e}", file=sys.stderr)
            os._exit(127)
    os.close(write)
    with os.fdopen(read) as f:
        output = f.read()
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - start
    if status != 0:
        sys.exit(f"pair.py: {shlex.join(words)}: status {status}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, output


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--runs", type=int, default=7)
    p.add_argument("--frames", type=int, help="in the capture: tells millions of frames/s")
    p.add_argument("--hellos", type=int, help="in the capture: tells millions of hellos/s")
    p.add_argument("commands", nargs="+", metavar="NAME=COMMAND")
    a = p.parse_args()
    names, commands = [], []
    for text in a.commands:
        name, _, command = text.partition("=")
        names.append(name)
        commands.append(shlex.split(command))
    got = {n: [] for n in names}
    for c in commands:
        run(c)  # warms the page cache
    for _ in range(a.runs):
        for n, c in zip(names, commands):
            got[n].append(run(c))
    head = f"{'':14}{'wall s':>8}{'cpu s':>8}{'least':>7}{'ratio':>7}{'  (least - most)':18}{'cpu ratio':>9}{'peak MiB':>10}"
    rates = [(a.frames, "M frames"), (a.hellos, "M hellos")]
    print(head + "".join(f"{what + '/s':>13}{'/cpu s':>8}" for num, what in rates if num))
    for n in names:
        wall = statistics.median(r[0] for r in got[n])
        cpu = statistics.median(r[1] for r in got[n])
        least = min(r[1] for r in got[n])
        peak = max(r[2] for r in got[n]) / 1024
        ratios = [r[0] / f[0] for r, f in zip(got[n], got[names[0]])]
        cpus = [r[1] / max(f[1], 1e-9) for r, f in zip(got[n], got[names[0]])]
        line = (f"{n:14}{wall:8.3f}{cpu:8.3f}{least:7.3f}{statistics.median(ratios):7.2f}"
                f"  {f'({min(ratios):.2f} - {max(ratios):.2f})':16}{statistics.median(cpus):9.2f}{peak:10.1f}")
        for num, what in rates:
            if num and (what == "M frames" or n.startswith("hellotap")):
                line += f"{num / wall / 1e6:13.3f}{num / max(cpu, 1e-9) / 1e6:8.3f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
