-- What probers found: each asks an anycast address how it is, and is the `router` of its rows.
CREATE TABLE IF NOT EXISTS probes
(
    received DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    time Nullable(DateTime64(9, 'UTC')) CODEC(GCD, ZSTD(1)),
    epoch DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    feed LowCardinality(String) CODEC(ZSTD(1)),
    router LowCardinality(String) CODEC(ZSTD(1)),
    router_address LowCardinality(String) CODEC(ZSTD(1)),
    peer LowCardinality(String) CODEC(ZSTD(1)),
    peer_as Nullable(UInt32) CODEC(T64, ZSTD(1)),
    peer_bgp_id LowCardinality(String) CODEC(ZSTD(1)),
    peer_rd LowCardinality(String) CODEC(ZSTD(1)),
    view LowCardinality(String) CODEC(ZSTD(1)),
    table_name LowCardinality(String) CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    provenance LowCardinality(String) CODEC(ZSTD(1)),
    family LowCardinality(String) CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    prefix LowCardinality(String) CODEC(ZSTD(1)),
    information String CODEC(ZSTD(1)) COMMENT 'JSON object: anycast, site, probe, result, seconds',
    warnings Array(LowCardinality(String)) CODEC(ZSTD(1)),
    anycast String ALIAS JSONExtractString(information, 'anycast'),
    site String ALIAS JSONExtractString(information, 'site'),
    result String ALIAS JSONExtractString(information, 'result'),
    seconds Float64 ALIAS JSONExtractFloat(information, 'seconds')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (router, peer, received, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
