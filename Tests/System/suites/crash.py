"""Kills of random parts under load: ops/crash in short. docs/reliability.md has the table of a thousand rounds."""
import os
import pathlib
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[3]


def run(*arguments):
    return subprocess.run([sys.executable, str(PROJECT / "ops/lib/crash.py"), *arguments], capture_output=True, text=True)


def test_the_checks_of_a_round_find_what_is_lost_doubled_or_half(_):
    for canary, word in (("lost write", "/apis/w0"), ("lost usage", "ledger"), ("usage twice", "ledger"), ("audit", "audit"), ("half a change", "revisions")):
        done = run("--rounds", "1", "--canary", canary)
        assert done.returncode == 1 and f"FAULT {word}" in done.stdout, (canary, done.stdout[-1500:], done.stderr[-500:])


def test_H34_H46_twenty_kills_of_random_parts_lose_nothing_and_leave_nothing_half(_):
    rounds = "100" if os.environ.get("GATEHOUSE_LONG") else "20"
    done = run("--rounds", rounds)
    table = {line.rsplit("  ", 1)[0].strip(): line.rsplit("  ", 1)[-1].strip() for line in done.stdout.splitlines() if "  " in line}
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert table["rounds"] == rounds and int(table["writes answered"]) > 20 and int(table["seen whole"]) > 100, table
    return f"{table['kills']} kills, {table['writes answered']} writes answered, {table['seen whole']} calls"
