"""Kills parts of a cluster under load, round after round, and checks after each that nothing was lost, nothing is half
there and nothing that was revoked came back. ops/crash builds and then runs this; Python's own library is all it needs."""
import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time

from crash_checks import Checks
from crash_cluster import ROOT, Cluster, until
from crash_world import World
from ports import free_base

VICTIMS = {"controller": ("controller",), "node 1": ("node-1",), "node 2": ("node-2",), "both nodes": ("node-1", "node-2"),
           "controller and node 1": ("controller", "node-1"), "everything": ("controller", "node-1", "node-2")}
WEIGHTS = (6, 3, 3, 2, 3, 3)
START_SECONDS = 60
# What a broken controller might have done to its database: the checks must find it.
CANARIES = {"lost write": "DELETE FROM resource WHERE key = '/apis/w0'", "lost usage": "UPDATE usage SET success = 0", "usage twice": "UPDATE usage SET success = success * 2",
            "audit": "DELETE FROM audit WHERE sequence = (SELECT max(sequence) - 1 FROM audit)", "half a change": "DELETE FROM change WHERE revision = (SELECT max(revision) - 1 FROM change)"}


def arguments():
    parser = argparse.ArgumentParser(prog="./ops/crash", description="Kills parts of a cluster under load and checks after each time that nothing was lost.",
                                     epilog="One controller and two nodes in a folder of their own; the last lines are a table, and .bench/crash.json has it too.")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="how many times (default %(default)s)")
    parser.add_argument("--seed", type=int, help="who is killed and when (default: a new one, which is printed)")
    parser.add_argument("--binaries", metavar="F", help="folder of the executables (default: a debug build)")
    parser.add_argument("--dir", metavar="D", help="folder of the cluster, kept (default: one that goes when nothing failed)")
    parser.add_argument("--port-base", type=int, metavar="P", help="ports as in ops/quickstart (default: free ones)")
    parser.add_argument("--canary", choices=sorted(CANARIES), help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


class Run:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
        self.random = random.Random(self.seed)
        self.rounds, self.kills, self.again = collections.Counter(), collections.Counter(), 0
        self.starts, self.seconds = collections.defaultdict(list), []
        binaries = pathlib.Path(options.binaries or os.environ["GATEHOUSE_BINARIES"]).resolve()
        self.cluster = Cluster(folder, binaries, options.port_base or free_base())
        self.world = World(self.cluster, self.random.random())
        self.checks = Checks(self.cluster, self.world)

    def round(self):
        began = time.monotonic()
        victims = self.random.choices(list(VICTIMS), WEIGHTS)[0]
        self.rounds[victims] += 1
        self.world.gate.open()
        time.sleep(self.random.uniform(0.05, 0.6))
        parts = [self.cluster.parts[name] for name in VICTIMS[victims]]
        self.random.shuffle(parts)
        for part in parts:
            self.kill(part)
            time.sleep(self.random.choice((0, 0, 0.01, 0.1)))
        time.sleep(self.random.choice((0, 0, 0.2)))
        for part in parts:
            part.start()
        if self.random.random() < 0.2:
            # Once more, in the middle of getting up.
            time.sleep(self.random.uniform(0, 0.4))
            part = self.random.choice(parts)
            self.again += 1
            self.kill(part)
            part.start()
        faults = self.wait_for(parts)
        time.sleep(self.random.uniform(0, 0.2))
        self.world.gate.close()
        if self.options.canary:
            with sqlite3.connect(self.cluster.database, timeout=10) as database:
                database.execute(CANARIES[self.options.canary])
        faults = faults or self.checks.all()
        self.seconds.append(time.monotonic() - began)
        return [f"{text} (round {sum(self.rounds.values())}, {victims} killed)" for text in faults + self.take_failures()]

    def kill(self, part):
        if not part.is_alive():
            self.world.fail(f"{part.name} ended by itself; its log ends {part.end_of_log()}")
            return
        part.kill()
        self.kills[part.name] += 1

    def wait_for(self, parts):
        began = time.monotonic()
        faults = []
        for part in parts:
            if not until(lambda part=part: part.state() is not None or not part.is_alive(), START_SECONDS) or not part.is_alive():
                faults.append(f"{part.name} does not start; its log ends {part.end_of_log()}")
            self.starts[part.name].append(time.monotonic() - began)
        return faults

    def take_failures(self):
        with self.world.lock:
            found, self.world.failures = self.world.failures, []
        return found

    def table(self):
        count, checks = self.world.count, self.checks
        rows = [("rounds", sum(self.rounds.values()))] + [(f"rounds with {victims} killed", n) for victims, n in sorted(self.rounds.items())]
        rows += [("kills", sum(self.kills.values())), ("of these while starting", self.again), ("writes answered", count["writes answered"]),
                 ("writes whose answer was lost", count["writes in doubt"]), ("resources with such a write: found changed", checks.kept),
                 ("found as before", checks.undone), ("keys regenerated", count["keys regenerated"]), ("calls with revoked keys, all refused", count["revoked keys tried"]),
                 ("calls sent", sum(self.world.sent.values())), ("seen whole", sum(self.world.seen.values())), ("counted by the ledger", sum(checks.counted().get(sid, 0) for sid in self.world.sent)),
                 ("cut by a kill", count["calls cut"]), ("rows of the audit verified", checks.audited), ("newest revision", checks.newest)]
        for name, seconds in sorted(self.starts.items()):
            rows.append((f"{name} ready after, median and longest", f"{statistics.median(seconds):.2f} s, {max(seconds):.2f} s"))
        rows.append(("a round, median", f"{statistics.median(self.seconds):.1f} s"))
        return rows


def main():
    options = arguments()
    if options.check:
        return 0
    folder = pathlib.Path(options.dir or tempfile.mkdtemp(prefix="gatehouse-crash-")).resolve()
    run = Run(options, folder)
    faults = []
    try:
        print(f"crash: seed {run.seed}, {options.rounds} rounds, cluster in {folder}", flush=True)
        for number in range(1, options.rounds + 1):
            faults += run.round()
            if sys.stderr.isatty() or number % 10 == 0 or number == options.rounds or faults:
                print(f"crash: round {number} of {options.rounds}, {sum(run.kills.values())} kills, {run.world.count['writes answered']} writes, "
                      f"{run.world.count['calls whole']} calls, {len(faults)} faults", file=sys.stderr, flush=True)
            if faults:
                break
        faults += run.checks.at_the_end() if not faults else []
        rows = run.table()
    finally:
        run.cluster.stop()
    if not options.dir and not faults:
        shutil.rmtree(folder, ignore_errors=True)
    width = max(len(name) for name, _ in rows)
    for name, value in [*rows, ("faults", len(faults))]:
        print(f"{name:<{width}}  {value}")
    for fault in faults:
        print(f"FAULT {fault}")
    (ROOT / ".bench").mkdir(exist_ok=True)
    (ROOT / ".bench/crash.json").write_text(json.dumps({"seed": run.seed, "table": dict(rows), "faults": faults}, indent=1) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.stdout.flush()
    status = main()
    sys.stdout.flush()
    # Workers that wait for nothing more must not hold the end up.
    os._exit(status)
