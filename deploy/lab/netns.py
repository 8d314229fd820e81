"""Hosts in network namespaces, joined by one bridge that is in a namespace of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from collector.event import rfc3339


class LabUnavailableError(Exception):
    """What this machine lacks."""


def run(*command: str) -> str:
    """Run a command to its end; RuntimeError with its words where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        words = (done.stderr or done.stdout).strip()
        raise RuntimeError(f"{' '.join(command)}: {words}")
    return done.stdout


class Host:
    """One namespace with one address, and the processes that were started in it."""

    def __init__(self, namespace: str, address: str, folder: Path) -> None:
        self.namespace = namespace
        self.address = address
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # daemons drop to users of their own
        self._processes: list[subprocess.Popen[Any]] = []

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a process here; `ip netns exec` becomes it, so its pid is the process's own."""
        process = subprocess.Popen(["ip", "netns", "exec", self.namespace, *command], **options)
        self._processes.append(process)
        return process

    def daemon(self, name: str, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a process that logs to `name.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return self.popen(command, stdout=log, stderr=log, cwd=self.folder, **options)

    def run(self, *command: str) -> str:
        """Run a command here to its end."""
        return run("ip", "netns", "exec", self.namespace, *command)

    def note(self, text: str) -> None:
        """Write into the lab's `events.log` what is done here now."""
        with (self.folder.parent / "events.log").open("a") as log:
            log.write(f"{rfc3339(time.time_ns())} {self.folder.name} {text}\n")

    def log_tail(self) -> str:
        """The last words of each daemon."""
        return "\n".join(
            f"{path.name}: {path.read_text(errors='replace')[-800:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def end(self) -> None:
        """End what was started here, by pid."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            if process.poll() is None:
                process.kill()
                process.wait(5)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


class Network:
    """The namespaces of one lab. Names carry a random part, so that labs do not meet."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0:
            raise LabUnavailableError("needs root, to make network namespaces")
        self._mark = f"aw{secrets.token_hex(2)}"
        self._folder = folder
        self._namespaces: list[str] = []
        self._hosts: list[Host] = []
        try:
            self._switch = self._namespace("switch")
            run("ip", "-n", self._switch, "link", "add", "br0", "type", "bridge")
            run("ip", "-n", self._switch, "link", "set", "br0", "up")
        except RuntimeError as error:  # root in a container that may not do this
            self.close()
            raise LabUnavailableError(f"needs network namespaces: {error}") from error

    def host(self, name: str, address: str, length: int = 16) -> Host:
        """A new host on the bridge."""
        namespace = self._namespace(name)
        port = f"p{len(self._hosts)}"
        run(
            *("ip", "-n", namespace, "link", "add", "eth0", "type", "veth"),
            *("peer", "name", port, "netns", self._switch),
        )
        run("ip", "-n", namespace, "address", "add", f"{address}/{length}", "dev", "eth0")
        run("ip", "-n", namespace, "link", "set", "eth0", "up")
        run("ip", "-n", self._switch, "link", "set", port, "master", "br0", "up")
        host = Host(namespace, address, self._folder / name)
        self._hosts.append(host)
        return host

    def close(self) -> None:
        """End all processes and take all namespaces down."""
        for host in reversed(self._hosts):
            host.end()
        for namespace in reversed(self._namespaces):
            with suppress(RuntimeError):
                run("ip", "netns", "delete", namespace)

    def _namespace(self, name: str) -> str:
        namespace = f"{self._mark}-{name}"
        run("ip", "netns", "add", namespace)
        self._namespaces.append(namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        return namespace
