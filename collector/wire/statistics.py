"""Statistics reports (RFC 7854 section 4.8): counters and gauges by name."""

from __future__ import annotations

from collector.wire.cursor import Cursor

STATISTIC_NAMES = {
    0: "rejected_by_policy",
    1: "duplicate_announcements",
    2: "duplicate_withdraws",
    3: "cluster_list_loop",
    4: "as_path_loop",
    5: "originator_id_loop",
    6: "as_confed_loop",
    7: "adj_rib_in_routes",
    8: "loc_rib_routes",
    9: "adj_rib_in_routes_by_family",
    10: "loc_rib_routes_by_family",
    11: "treated_as_withdraw_updates",
    12: "treated_as_withdraw_prefixes",
    13: "duplicate_updates",
    14: "adj_rib_out_pre_routes",
    15: "adj_rib_out_post_routes",
    16: "adj_rib_out_pre_routes_by_family",
    17: "adj_rib_out_post_routes_by_family",
    18: "adj_rib_in_pre_routes",
    19: "adj_rib_in_pre_routes_by_family",
    20: "adj_rib_in_post_routes",
    21: "adj_rib_in_post_routes_by_family",
    22: "rejected_by_policy_routes_by_family",
    23: "accepted_by_policy_routes_by_family",
    24: "primary_routes_by_family",
    25: "backup_routes_by_family",
    26: "damped_routes_by_family",
    27: "stale_routes_by_family",
    28: "long_lived_stale_routes_by_family",
    29: "routes_left_to_threshold",
    30: "routes_left_to_threshold_by_family",
    31: "routes_left_to_license",
    32: "routes_left_to_license_by_family",
    33: "as_path_too_long_routes",
    34: "as_path_too_long_routes_by_family",
    35: "rpki_invalid_routes_by_family",
    36: "rpki_valid_routes_by_family",
    37: "rpki_not_found_routes_by_family",
    38: "adj_rib_out_rejected_by_policy_routes_by_family",
    39: "adj_rib_out_as_path_too_long_routes",
    40: "adj_rib_out_as_path_too_long_routes_by_family",
    41: "adj_rib_out_rpki_invalid_routes_by_family",
    42: "adj_rib_out_rpki_valid_routes_by_family",
    43: "adj_rib_out_rpki_not_found_routes_by_family",
}
"""By statistics type (RFC 7854 section 4.8, RFC 8671 section 6.2, from 18 on
draft-ietf-grow-bmp-bgp-rib-stats). Another type is `type_N`."""

BY_FAMILY = 11
"""Octets of a gauge that has its AFI and SAFI before it."""


def read_statistics(cursor: Cursor) -> dict[str, int]:
    """Counters and gauges by name; those of one family have its numbers behind the name."""
    found: dict[str, int] = {}
    for _ in range(cursor.u32("statistics count")):
        kind, length = cursor.u16("statistics type"), cursor.u16("statistics length")
        value = cursor.window(length, "statistics value")
        name = STATISTIC_NAMES.get(kind, f"type_{kind}")
        if length == BY_FAMILY:
            name += f" {value.u16('afi')}/{value.u8('safi')}"
        found[name] = int.from_bytes(value.rest())
    return found
