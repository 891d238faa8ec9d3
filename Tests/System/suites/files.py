"""Files of the controller and of nodes: for their owner alone, and no core holds what was in memory."""
import os
import pathlib
import stat
import subprocess
import tempfile

BINARIES = pathlib.Path(os.environ["GATEHOUSE_BINARIES"])


def run(*arguments):
    return subprocess.run([str(BINARIES / arguments[0]), *arguments[1:]], capture_output=True, text=True, timeout=60)


def test_G59_every_file_and_folder_is_for_its_owner_only(cluster):
    looked = 0
    for place in [cluster.folder, *cluster.folder.rglob("*")]:
        mode = place.lstat().st_mode
        assert stat.S_IMODE(mode) & 0o077 == 0, f"{place.name}: {oct(mode)}"
        looked += 1
    assert looked > 20
    return f"{looked} files and folders"


def test_G59_no_process_writes_a_core(cluster):
    for pid in [cluster.document["controller"]["pid"], *(node["pid"] for node in cluster.nodes)]:
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
        core = next(line for line in limits if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"], core


def test_G59_umask_counts_for_nothing(cluster):
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run([str(BINARIES / "gatehouse-controller"), "init", "--directory", f"{folder}/new"], capture_output=True, text=True, preexec_fn=lambda: os.umask(0))
        assert made.returncode == 0, made.stderr
        for place in [pathlib.Path(folder, "new"), *pathlib.Path(folder, "new").iterdir()]:
            assert stat.S_IMODE(place.lstat().st_mode) & 0o077 == 0, place


def test_G59_a_looser_folder_file_or_link_is_refused_and_nothing_is_overwritten(cluster):
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder, "c")
        assert run("gatehouse-controller", "init", "--directory", str(place)).returncode == 0
        owner = (place / "owner.json").read_bytes()
        again = run("gatehouse-controller", "init", "--directory", str(place))
        assert again.returncode == 1 and len(again.stderr.splitlines()) == 1 and (place / "owner.json").read_bytes() == owner
        serve = ["gatehouse-controller", "serve", "--directory", str(place), "--management", "127.0.0.1:1", "--nodes", "127.0.0.1:2"]

        def refused(says):
            answer = run(*serve)
            assert answer.returncode == 3 and len(answer.stderr.splitlines()) == 1 and says in answer.stderr, answer.stderr

        place.chmod(0o755)
        refused("chmod 700")
        loose = run("gatehouse-controller", "init", "--directory", str(place))
        assert loose.returncode == 3 and "chmod 700" in loose.stderr
        place.chmod(0o700)
        (place / "kek").chmod(0o644)
        refused("chmod 600")
        (place / "kek").chmod(0o600)
        (place / "kek").rename(place / "elsewhere")
        (place / "kek").symlink_to(place / "elsewhere")
        refused("no ordinary file")
        (place / "kek").unlink()
        refused("key-encryption key is missing")
