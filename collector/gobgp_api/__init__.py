"""GoBGP's gRPC interface, as the messages that its own interface definitions describe.

`v3.binpb` and `v4.binpb` are made of the protos by `make.sh`. They are descriptors rather than
generated code, as generated code runs with one major version of protobuf alone.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Message = Any
"""A message of the interface; its fields are what the protos say."""


class Api:
    """The messages of one version of the interface."""

    def __init__(self, version: int, package: str, service: str) -> None:
        """Read the descriptors of a version."""
        self.version = version
        self.service = f"/{package}.{service}/"
        """What the name of a method stands behind."""
        self._package = package
        self._classes: dict[str, Any] = {}
        self._pool = DescriptorPool()
        data = Path(__file__).with_name(f"v{version}.binpb").read_bytes()
        for file in FileDescriptorSet.FromString(data).file:
            self._pool.Add(file)

    def __getattr__(self, name: str) -> Any:
        """The class of the message of this name; KeyError where there is none."""
        found = self._classes.get(name)
        if found is None:
            descriptor = self._pool.FindMessageTypeByName(f"{self._package}.{name}")
            found = self._classes[name] = GetMessageClass(descriptor)
        return found


@cache
def api(version: int) -> Api:
    """The interface of GoBGP 3 or 4."""
    if version == 3:
        return Api(3, "apipb", "GobgpApi")
    return Api(4, "api", "GoBgpService")
