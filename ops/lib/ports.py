"""Where a cluster of its own can listen."""
import os
import socket


def free_base():
    """A port base below the ephemeral ports with all that a cluster of two or three nodes needs free."""
    for base in range(9400 + os.getpid() % 100 * 100, 32000, 130):
        try:
            for offset in (43, 44, 45, *range(90, 93), *range(100, 103), *range(110, 113)):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
            return base
        except OSError:
            continue
    raise SystemExit("no free ports for a cluster")
