"""How anchorwatch itself is, by its own metrics."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import BLUE, GREEN, RED, board, prometheus, stat_of
from dashboards.plan import Plan
from dashboards.promql import bad_from, increase, lines_of, rate, rates_of, times_of


def collector(plan: Plan) -> Dashboard:
    """Rates, lag, spool, decoder, errors, quirks, pages and questions."""
    del plan  # the program's own metrics are the same whatever is watched
    made = board(
        "collector",
        "anchorwatch: collector health",
        "Whether anchorwatch itself takes in, stores, judges and pages as it should.",
    )
    made.with_variable(prometheus())
    for panel in (*_now(), *_taken_in(), *_stored(), *_judged(), *_asked(), *_others()):
        made.with_panel(panel)
    return made.build()


def _now() -> list[stat.Panel]:
    version = stat_of(
        "Version",
        "Which anchorwatch runs, and which decoder.",
        (8, 4),
        expr="anchorwatch_build_info",
        limits=((None, BLUE),),
        legend="{{version}}, {{decoder}}",
    )
    return [
        stat_of(
            "BMP sessions",
            "Routers that are connected.",
            (4, 4),
            expr="sum(anchorwatch_bmp_sessions)",
            limits=((None, RED), (1, GREEN)),
        ),
        stat_of(
            "Blind feeds",
            "Routers whose tables are not completely seen.",
            (4, 4),
            expr="sum(anchorwatch_feeds_blind)",
        ),
        stat_of(
            "Reading paused",
            "1 while no BMP is read, as the spool is full.",
            (4, 4),
            expr="max(anchorwatch_reading_paused)",
        ),
        stat_of(
            "Spool used",
            "Share of the spool that waits for the store.",
            (4, 4),
            expr="max(anchorwatch_spool_bytes / anchorwatch_spool_max_bytes)",
            unit="percentunit",
            limits=bad_from(0.5, 0.9),
        ),
        stat_of(
            "Faults in rules",
            "Judgements lost to a fault in a rule, in the last hour.",
            (4, 4),
            expr="round(sum(increase(anchorwatch_rule_errors_total[1h])))",
        ),
        stat_of(
            "Pager failing for",
            "How long the worst receiver has not taken pages.",
            (4, 4),
            expr="max(anchorwatch_pager_failing_seconds)",
            unit="s",
            limits=bad_from(10, 60),
        ),
        version.text_mode(BigValueTextMode.NAME),
        stat_of(
            "Intent in use since",
            "When the intent that is in use was read.",
            (8, 4),
            expr="max(anchorwatch_intent_used_since_seconds) * 1000",
            unit="dateTimeAsIso",
            limits=((None, BLUE),),
        ),
        stat_of(
            "Controllers not connected",
            "GoBGP controllers that are watched over gRPC, and cannot be reached.",
            (8, 4),
            expr="count(anchorwatch_gobgp_up == 0) or vector(0)",
        ),
    ]


def _taken_in() -> list[timeseries.Panel]:
    return [
        rates_of(
            "Events",
            "Events taken in, by kind.",
            rate("anchorwatch_events_total", "kind"),
        ),
        lines_of(
            "BMP received",
            "Octets read from each router.",
            rate("anchorwatch_bmp_bytes_total", "router"),
            unit="Bps",
        ),
        rates_of(
            "BMP messages",
            "Messages read, by type.",
            rate("anchorwatch_bmp_messages_total", "type"),
        ),
        lines_of(
            "Feed skew",
            "How far our clock is ahead of each router's, by its last news: delay and clocks; and "
            "how far the time of receipt is before our clock, where that was set back.",
            ("anchorwatch_feed_skew_seconds", "{{router}} {{feed}}"),
            ("anchorwatch_clock_ahead_seconds", "our clock was set back"),
            unit="s",
        ),
        *_odd(),
    ]


def _odd() -> list[timeseries.Panel]:
    return [
        rates_of(
            "Decode errors",
            "Messages, or parts of them, that could not be read or were odd.",
            rate("anchorwatch_decode_errors_total", "router", "reason"),
        ),
        rates_of(
            "Quirks of senders",
            "What senders did that the RFCs do not say.",
            rate("anchorwatch_sender_quirks_total", "router", "quirk"),
        ),
        rates_of(
            "Connections refused",
            "BMP connections that were turned away, by reason.",
            rate("anchorwatch_bmp_refused_total", "reason"),
        ),
        lines_of(
            "Intent read again",
            "How often the intent was read again, by what became of it.",
            increase("anchorwatch_intent_reloads_total", "result"),
            stepped=True,
        ),
    ]


def _stored() -> list[timeseries.Panel]:
    return [
        lines_of(
            "Waiting for the store",
            "Received, and not yet in the store: spool and memory, against a full spool.",
            ("anchorwatch_spool_bytes", "spool"),
            ("anchorwatch_spool_pending_bytes", "memory"),
            ("anchorwatch_spool_max_bytes", "full"),
            unit="bytes",
        ),
        lines_of(
            "Age of what waits",
            "Age of the oldest row in the spool.",
            ("anchorwatch_spool_age_seconds", "oldest row"),
            unit="s",
            limits=bad_from(10, 60),
        ),
        rates_of(
            "Rows",
            "Rows received into the spool and written to the store.",
            rate("anchorwatch_spool_rows_total", called="received"),
            rate("anchorwatch_store_rows_written_total", called="written"),
        ),
        rates_of(
            "Inserts",
            "Inserts into the store that succeeded and that failed.",
            rate("anchorwatch_store_inserts_total", called="succeeded"),
            rate("anchorwatch_store_insert_failures_total", called="failed"),
        ),
    ]


def _judged() -> list[timeseries.Panel]:
    return [
        times_of(
            "Page latency",
            "Time from the moment that an incident opened to a receiver's answer to its page.",
            "anchorwatch_page_latency_seconds",
            limits=bad_from(1, 10),
        ),
        lines_of(
            "Pages",
            "Pages that wait, and those accepted and failed per second.",
            ("sum(anchorwatch_pages_pending)", "waiting"),
            rate("anchorwatch_pages_sent_total", called="accepted/s"),
            rate("anchorwatch_pages_failed_total", called="failed/s"),
        ),
        lines_of(
            "Incidents open",
            "Incidents that are open, by severity.",
            ("sum by (severity) (anchorwatch_incidents_open)", "{{severity}}"),
            stepped=True,
        ),
        lines_of(
            "Incident transitions",
            "Transitions of incidents, by detector.",
            increase("anchorwatch_incident_transitions_total", "detector"),
            stepped=True,
        ),
        times_of(
            "Failover",
            "Time from a withdrawal to the last vantage point that left the site.",
            "anchorwatch_failover_seconds",
            "name",
        ),
        lines_of(
            "Segments that wait",
            "Files of the spool not in the store, those that never will be, and rows lost.",
            ("anchorwatch_spool_segments", "segments"),
            ("anchorwatch_spool_segments_refused", "set aside"),
            ("anchorwatch_spool_rows_left_out_total", "rows lost"),
            stepped=True,
        ),
    ]


def _asked() -> list[timeseries.Panel]:
    return [
        rates_of(
            "Questions to the store",
            "Questions of others, by what became of them, and those turned away.",
            rate("anchorwatch_queries_total", "result"),
            rate("anchorwatch_queries_rejected_total", "reason", called="rejected: {{reason}}"),
        ),
        times_of(
            "Answers of the store",
            "Time from a question of others to the end of its answer.",
            "anchorwatch_query_seconds",
        ),
        rates_of(
            "Probes",
            "Results of probes that were taken in, and reports of probers that were turned away.",
            rate("anchorwatch_probes_total", "result"),
            rate("anchorwatch_probes_refused_total", "reason", called="refused: {{reason}}"),
        ),
        times_of(
            "Probe times",
            "Time that a probe of an anycast address took, whatever it found.",
            "anchorwatch_probe_seconds",
            "anycast",
        ),
        lines_of(
            "Followers of the board",
            "Who follows the board, and its questions to the store that wait or are answered.",
            ("anchorwatch_board_listeners", "listeners"),
            ("anchorwatch_board_questions_open", "questions"),
            stepped=True,
        ),
        rates_of(
            "What the board tells",
            "Differences told, listeners that were too slow or too many, and its questions to the "
            "store by what became of them.",
            rate("anchorwatch_board_differences_total", called="differences"),
            rate("anchorwatch_board_listeners_overrun_total", called="too slow"),
            rate("anchorwatch_board_listeners_refused_total", called="too many"),
            rate("anchorwatch_board_questions_total", "result", called="questions {{result}}"),
        ),
        times_of(
            "Looks of the board",
            "Time that the board takes to see what has changed.",
            "anchorwatch_board_look_seconds",
        ),
        rates_of(
            "Pages failed",
            "Attempts to page that failed, by what became of the page, and heartbeats.",
            rate("anchorwatch_pages_failed_total", "outcome"),
            rate("anchorwatch_heartbeats_total", "outcome", called="heartbeats {{outcome}}"),
        ),
    ]


def _others() -> list[timeseries.Panel]:
    """Feeds that not everybody has."""
    return [
        lines_of(
            "Controllers over gRPC",
            "How long the oldest message of each GoBGP controller waits; absent where none is "
            "watched over gRPC.",
            ("anchorwatch_gobgp_lag_seconds", "{{router}}"),
            unit="s",
        ),
        lines_of(
            "Controllers connected",
            "1 while a controller is connected over gRPC; stalled while nothing was taken in for "
            "10 seconds.",
            ("anchorwatch_gobgp_up", "{{router}}"),
            ("anchorwatch_gobgp_stalled", "{{router}} stalled"),
            stepped=True,
        ),
        lines_of(
            "Size of what controllers sent",
            "What was read of each controller and not taken in.",
            ("anchorwatch_gobgp_queue_bytes", "{{router}}"),
            unit="bytes",
        ),
        lines_of(
            "Messages of controllers that wait",
            "How many messages of each controller were read and not taken in.",
            ("anchorwatch_gobgp_queue_messages", "{{router}}"),
        ),
        rates_of(
            "Paths of controllers",
            "Paths read over gRPC, by view, and how many of them said nothing new.",
            rate("anchorwatch_gobgp_paths_total", "router", "view"),
            rate(
                "anchorwatch_gobgp_unchanged_total",
                "router",
                "view",
                called="{{router}} {{view}} unchanged",
            ),
        ),
        lines_of(
            "Faults of controllers",
            "Connections, by how they came out, and paths that could not be read.",
            increase("anchorwatch_gobgp_connects_total", "router", "outcome"),
            increase("anchorwatch_gobgp_errors_total", "router", "reason"),
            stepped=True,
        ),
        lines_of(
            "Public vantage points",
            "Vantage points of public route collectors that the stream has shown since it began.",
            ("anchorwatch_bgpstream_vantage_points", "vantage points"),
            stepped=True,
        ),
        rates_of(
            "Public elements",
            "Elements of watched prefixes that came, those that could not be taken, and streams "
            "that broke.",
            rate("anchorwatch_bgpstream_elements_total", called="elements"),
            rate("anchorwatch_bgpstream_errors_total", "reason"),
            rate("anchorwatch_bgpstream_failures_total", called="streams that broke"),
        ),
    ]
