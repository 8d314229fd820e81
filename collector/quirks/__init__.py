"""What senders do that the RFCs do not say: who does it, how it shows, what it is called.

One file is one kind of sender, one `Quirk` is one thing that it does. A quirk never changes what
was sent; what is certainly wrong is left out: a time that is none, an End-of-RIB before its table.
It is counted by its name (`anchorwatch_sender_quirks_total`), and named in `warnings` of the event
that it concerns.
"""

from __future__ import annotations

from collector.quirks.base import Message, Profile, Quirk, warning
from collector.quirks.catalogue import QUIRKS
from collector.quirks.sender import Sender

__all__ = ["QUIRKS", "Message", "Profile", "Quirk", "Sender", "warning"]
