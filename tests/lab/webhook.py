"""A webhook receiver: writes each page, with the time of its arrival, as a line of JSON."""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    """Accepts every POST."""

    output: Path

    def do_POST(self) -> None:
        """Keep one page."""
        arrived = time.time_ns()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.output.open("a") as file:
            file.write(json.dumps({"arrived": arrived, **body}) + "\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
        """Say nothing: the file is the log."""


if __name__ == "__main__":
    Receiver.output = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
