"""Point 1: ./ops/quickstart from start to stop, a second start that keeps everything, exit statuses, the demo."""
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile

from run import PROJECT, free_base
from support import KEY, Caller, Cluster, alive, name, until


def quickstart(*arguments, timeout=120):
    return subprocess.run([str(PROJECT / "ops/quickstart"), *map(str, arguments)], cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)


def pids(folder):
    document = json.loads((folder / "cluster.json").read_text())
    return [document["controller"]["pid"], *(node["pid"] for node in document["nodes"])]


def test_a_start_that_cant_be_says_why_in_one_line(_):
    with tempfile.TemporaryDirectory(prefix="gatehouse-first-") as folder:
        file = pathlib.Path(folder, "file")
        file.write_text("kept")
        refused = quickstart("--dir", file, "--port-base", free_base(), "--empty", "--detach")
        assert refused.returncode == 3 and len(refused.stderr.strip().splitlines()) == 1 and "--dir" in refused.stderr, refused.stderr
        assert file.read_text() == "kept"
        nothing = subprocess.run([str(PROJECT / "ops/quickstart"), "--dir", f"{folder}/q", "--detach"], cwd=PROJECT, capture_output=True, text=True, timeout=60,
                                 env=os.environ | {"GATEHOUSE_BINARIES": folder})
        assert nothing.returncode == 3 and len(nothing.stderr.strip().splitlines()) == 1 and "GATEHOUSE_BINARIES" in nothing.stderr, nothing.stderr
        assert not pathlib.Path(folder, "q").exists()


def test_start_stop_second_start_kill_and_exit_statuses(_):
    folder, base = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-first-")) / "q", free_base()
    try:
        first = quickstart("--dir", folder, "--port-base", base, "--empty", "--detach")
        assert first.returncode == 0, first.stderr
        lines = first.stdout.strip().splitlines()[-3:]
        assert "curl" in lines[0] and "report" in lines[1] and "--stop" in lines[2], lines
        document = json.loads((folder / "cluster.json").read_text())
        assert document["format"] == 1 and document["controller"]["url"] == f"https://127.0.0.1:{base + 43}", document
        assert [node["http"] for node in document["nodes"]] == [f"http://127.0.0.1:{base + 90}", f"http://127.0.0.1:{base + 100}"]
        secret = (folder / document["token"]["clientSecretFile"]).read_text().strip()
        assert secret not in (folder / "cluster.json").read_text()
        for path in (folder / "controller").rglob("*"):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, f"{path.name} is open to others"
        cluster, kept = Cluster(folder), name("kept")
        cluster.made(f"/groups/{kept}", {"displayName": kept})
        nodes = sorted(row["name"] for row in cluster.get("/gatehouse/nodes").json["value"])
        running = pids(folder)

        taken = quickstart("--dir", folder.parent / "other", "--port-base", base, "--empty", "--detach")
        assert taken.returncode == 3 and str(base + 43) in taken.stderr and len(taken.stderr.strip().splitlines()) == 1, taken.stderr
        assert quickstart("--colour").returncode == 2
        assert quickstart("--dir", folder, "--stop").returncode == 0
        assert until(lambda: not any(map(alive, running)), 40) is not None

        again = quickstart("--dir", folder, "--port-base", base, "--empty", "--detach")
        assert again.returncode == 0, again.stderr
        cluster = Cluster(folder)
        assert cluster.get(f"/groups/{kept}").status == 200
        assert sorted(row["name"] for row in cluster.get("/gatehouse/nodes").json["value"]) == nodes, "the nodes enrolled anew"
        for pid in pids(folder):
            os.kill(pid, signal.SIGKILL)
        third = quickstart("--dir", folder, "--port-base", base, "--empty", "--detach")
        assert third.returncode == 0, third.stderr
        assert Cluster(folder).get(f"/groups/{kept}").status == 200
    finally:
        if (folder / "cluster.json").exists():
            quickstart("--dir", folder, "--stop")
        shutil.rmtree(folder.parent, ignore_errors=True)


def test_the_demo_in_front_a_call_the_report_and_ctrl_c(_):
    folder, base = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-demo-")) / "q", free_base()
    # A suite that runs in the background of a script has inherited "ignore Ctrl-C"; a person's terminal has not.
    child = subprocess.Popen(
        [str(PROJECT / "ops/quickstart"), "--dir", str(folder), "--port-base", str(base)], cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        shown = [child.stdout.readline() for _ in range(3)]
        assert "curl" in shown[0] and "report" in shown[1], shown
        cluster = Cluster(folder)
        assert len(cluster.get("/apis/bookshop/operations").json["value"]) >= 20
        caller = Caller(cluster.nodes[0]["http"])
        assert caller.call("GET", "/bookshop/books").status == 401
        reply = caller.call("GET", "/bookshop/books", {KEY: cluster.key("demo")})
        assert reply.status == 200 and reply.fields["x-served-by"] == "Gatehouse", reply.raw

        def reported():
            result = subprocess.run([str(PROJECT / "ops/report"), "--dir", str(folder)], capture_output=True, text=True)
            return any(line.startswith("Demo ") and line.split()[2] == "1" for line in result.stdout.splitlines())
        assert until(reported, 6, 0.2) is not None, "the call is not in the report"
        running = pids(folder)
        child.send_signal(signal.SIGINT)
        assert child.wait(45) in (0, 130), child.returncode
        assert not any(map(alive, running)), "a process is left"
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(45)
        shutil.rmtree(folder.parent, ignore_errors=True)
