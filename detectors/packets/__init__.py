"""The algebra of Flowspec: a rule is the set of packets it matches, and is judged by that set.

Exact by fields, never by text: two rules that are written differently and match the same packets
are the same here.
"""

from detectors.packets.judge import Violation, covers, is_wildcard, touches, violations
from detectors.packets.match import Match, rule_matches
from detectors.packets.notation import UnreadableRuleError
from detectors.packets.packet import Packet

__all__ = [
    "Match",
    "Packet",
    "UnreadableRuleError",
    "Violation",
    "covers",
    "is_wildcard",
    "rule_matches",
    "touches",
    "violations",
]
