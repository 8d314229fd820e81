-- Every change of a route of any family but Flowspec.
-- `address` and `length` are the prefix as IPv6 (IPv4 mapped, so its lengths begin at 96), so that
-- "covers" and "is covered by" are ranges of the sorting key. A route that is no prefix is `nlri`.
-- Lists are stored as texts that many routes share, which takes a third of the room and of the time
-- that arrays take, and are arrays to whoever asks: `has(communities, '65000:1')`.
CREATE TABLE IF NOT EXISTS routes
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
    rd LowCardinality(String) CODEC(ZSTD(1)),
    address IPv6 CODEC(ZSTD(1)),
    length UInt8 CODEC(ZSTD(1)),
    nlri String CODEC(ZSTD(1)),
    components String CODEC(ZSTD(1)) COMMENT 'JSON object: the parts of an EVPN route',
    path_id Nullable(UInt32) CODEC(T64, ZSTD(1)),
    labels Array(UInt32) CODEC(ZSTD(1)),
    path_status Array(LowCardinality(String)) CODEC(ZSTD(1)),
    next_hop LowCardinality(String) CODEC(ZSTD(1)),
    as_path_text LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'AS_SETs in braces, confederations in brackets',
    origin_as Nullable(UInt32) CODEC(T64, ZSTD(1)),
    origin LowCardinality(String) CODEC(ZSTD(1)),
    med Nullable(UInt32) CODEC(T64, ZSTD(1)),
    local_pref Nullable(UInt32) CODEC(T64, ZSTD(1)),
    atomic_aggregate Bool CODEC(ZSTD(1)),
    aggregator LowCardinality(String) CODEC(ZSTD(1)),
    communities_text LowCardinality(String) CODEC(ZSTD(1)),
    ext_communities_text LowCardinality(String) CODEC(ZSTD(1)),
    large_communities_text LowCardinality(String) CODEC(ZSTD(1)),
    originator_id LowCardinality(String) CODEC(ZSTD(1)),
    cluster_list_text LowCardinality(String) CODEC(ZSTD(1)),
    unknown_attributes Array(String) CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    warnings Array(LowCardinality(String)) CODEC(ZSTD(1)),
    prefix String ALIAS if(nlri != '' AND length = 0, '',
        if(length >= 96 AND NOT like(family, '%ipv6%') AND startsWith(toString(address), '::ffff:'),
            concat(substring(toString(address), 8), '/', toString(length - 96)),
            concat(toString(address), '/', toString(length)))),
    as_path Array(UInt32) ALIAS arrayMap(n -> toUInt32(n), extractAll(as_path_text, '[0-9]+')),
    communities Array(String) ALIAS splitByWhitespace(communities_text),
    ext_communities Array(String) ALIAS splitByWhitespace(ext_communities_text),
    large_communities Array(String) ALIAS splitByWhitespace(large_communities_text),
    cluster_list Array(String) ALIAS splitByWhitespace(cluster_list_text)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (family, address, length, router, peer, view, received, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    -- Merging all columns at once takes half the time where most are of LowCardinality.
    enable_vertical_merge_algorithm = 0,
    -- A month that is over becomes one part: a question opens each part that there is.
    min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1;

-- Every change of a Flowspec rule, with the message that carried it.
CREATE TABLE IF NOT EXISTS flowspec
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
    rd LowCardinality(String) CODEC(ZSTD(1)),
    rule String CODEC(ZSTD(1)),
    precedence String CODEC(ZSTD(1)) COMMENT 'sorts rules as routers apply them, RFC 8955 section 5.1',
    path_id Nullable(UInt32) CODEC(T64, ZSTD(1)),
    components String CODEC(ZSTD(1)) COMMENT 'JSON object in wire order',
    actions String CODEC(ZSTD(1)) COMMENT 'JSON array of objects',
    next_hop LowCardinality(String) CODEC(ZSTD(1)),
    as_path Nullable(String) CODEC(ZSTD(1)),
    origin_as Nullable(UInt32) CODEC(T64, ZSTD(1)),
    origin LowCardinality(String) CODEC(ZSTD(1)),
    med Nullable(UInt32) CODEC(T64, ZSTD(1)),
    local_pref Nullable(UInt32) CODEC(T64, ZSTD(1)),
    atomic_aggregate Bool CODEC(ZSTD(1)),
    aggregator LowCardinality(String) CODEC(ZSTD(1)),
    communities Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ext_communities Array(LowCardinality(String)) CODEC(ZSTD(1)),
    large_communities Array(LowCardinality(String)) CODEC(ZSTD(1)),
    originator_id LowCardinality(String) CODEC(ZSTD(1)),
    cluster_list Array(LowCardinality(String)) CODEC(ZSTD(1)),
    unknown_attributes Array(String) CODEC(ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    warnings Array(LowCardinality(String)) CODEC(ZSTD(1)),
    raw String CODEC(ZSTD(1)) COMMENT 'the BMP message, hex'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (family, rule, router, peer, view, received, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Feeds and peers that come and go, and the ends of their tables. What was held at a moment follows
-- from this and the routes, so nothing else is in it.
CREATE TABLE IF NOT EXISTS sessions
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
    information String CODEC(ZSTD(1)) COMMENT 'JSON object',
    warnings Array(LowCardinality(String)) CODEC(ZSTD(1)),
    raw String CODEC(ZSTD(1)) COMMENT 'the BMP message, hex'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (router, peer, received, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Statistics that routers send of their peers.
CREATE TABLE IF NOT EXISTS stats
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
    statistics String CODEC(ZSTD(1)) COMMENT 'JSON object',
    warnings Array(LowCardinality(String)) CODEC(ZSTD(1)),
    raw String CODEC(ZSTD(1)) COMMENT 'the BMP message, hex'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (router, peer, received, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Messages that could not be decoded.
CREATE TABLE IF NOT EXISTS undecodable
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
    warnings Array(LowCardinality(String)) CODEC(ZSTD(1)),
    raw String CODEC(ZSTD(1)) COMMENT 'the BMP message, hex'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (router, peer, received, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Every transition of every incident.
CREATE TABLE IF NOT EXISTS incidents
(
    time DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    id String CODEC(ZSTD(1)),
    detector LowCardinality(String) CODEC(ZSTD(1)),
    key String CODEC(ZSTD(1)),
    severity LowCardinality(String) CODEC(ZSTD(1)),
    state LowCardinality(String) CODEC(ZSTD(1)),
    opened DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    summary String CODEC(ZSTD(1)),
    details String CODEC(ZSTD(1)) COMMENT 'JSON object',
    evidence String CODEC(ZSTD(1)) COMMENT 'JSON array of events'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (detector, key, time)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- How far each recording is in the store: a row when its import begins (batch 0), one for each batch
-- that is in, and a last one that is `finished`.
CREATE TABLE IF NOT EXISTS imports
(
    recorded DateTime64(9, 'UTC'),
    fingerprint String COMMENT 'SHA-256 of the file',
    path String,
    batch UInt32,
    octets UInt64 COMMENT 'read so far, unpacked',
    finished Bool,
    fault String COMMENT 'why it could not be read to its end'
)
ENGINE = MergeTree
ORDER BY (fingerprint, batch)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
