"""Runs the system's tests against a cluster of their own: python Tests/System/run.py [--binaries FOLDER] [NAME…]

A test is a function of a module in suites/ whose name begins with `test_`. One line each; the last line is
"N passed, N failed"."""
import argparse
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE / "suites"), str(PROJECT / "ops/lib")]

from ports import free_base  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binaries", default=str(PROJECT / ".build/debug"), help="folder of the built executables (default %(default)s)")
    parser.add_argument("names", nargs="*", help="suites to run (default: all)")
    options = parser.parse_args()
    # As ops/quickstart has it: what tests write into a cluster's folder is for its owner only, too.
    os.umask(0o077)
    os.environ["GATEHOUSE_BINARIES"] = str(pathlib.Path(options.binaries).resolve())
    every = sorted(file.stem for file in (HERE / "suites").glob("*.py"))
    unknown = [name for name in options.names if name not in every]
    if unknown:
        sys.exit(f"no suite named {', '.join(unknown)}; there are {', '.join(every)}")
    work = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-system-"))
    folder, base = work / "cluster", free_base()
    quickstart = [str(PROJECT / "ops/quickstart"), "--dir", str(folder), "--port-base", str(base)]
    passed = failed = 0
    try:
        subprocess.run([*quickstart, "--empty", "--detach"], check=True, stdout=subprocess.DEVNULL)
        import support
        cluster = support.Cluster(folder)
        for suite in options.names or every:
            module = importlib.import_module(suite)
            for test in [name for name in vars(module) if name.startswith("test_")]:
                began = time.monotonic()
                title = f"{suite}: {test.removeprefix('test_').replace('_', ' ')}"
                try:
                    note = getattr(module, test)(cluster)
                    passed += 1
                    print(f"ok   {title} ({time.monotonic() - began:.1f} s{f'; {note}' if note else ''})", flush=True)
                except support.Skipped as reason:
                    print(f"skip {title} ({reason})", flush=True)
                except Exception:
                    failed += 1
                    print(f"FAIL {title}", flush=True)
                    traceback.print_exc(file=sys.stdout)
    finally:
        subprocess.run([*quickstart, "--stop"], stdout=subprocess.DEVNULL)
        if failed:
            print(f"logs are kept in {folder}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.stdout.flush()
    os._exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
