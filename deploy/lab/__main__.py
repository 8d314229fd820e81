"""`python -m deploy.lab record` makes the project's captures; `up` keeps a lab up to play with."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from deploy.lab.lab import Lab
from deploy.lab.netns import LabUnavailableError
from deploy.lab.record import record_all

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Bring the lab up for one of the two purposes."""
    parser = argparse.ArgumentParser(prog="python -m deploy.lab", description=__doc__)
    parser.add_argument("action", choices=("record", "up"))
    action = parser.parse_args().action
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        try:
            if action == "record":
                record_all(ROOT, Path(folder))
            else:
                stay_up(Path(folder))
        except LabUnavailableError as error:
            print(f"the lab {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 0
    return 0


def stay_up(folder: Path) -> None:
    """A lab until Ctrl-C."""
    with Lab(folder) as lab:
        print(f"up; BMP goes to {lab.noc.address} port {lab.bmp_port}, on the host `noc`")
        for name, host in {**lab.hosts, "noc": lab.noc}.items():
            print(f"  {name:11} {host.address:12} ip netns exec {host.namespace} …")
        while True:
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
