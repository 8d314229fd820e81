-- Every change of a route of any family but Flowspec.
-- `address` and `length` are the prefix as IPv6 (IPv4 mapped, so its lengths begin at 96), so that
-- "covers" and "is covered by" are ranges of the sorting key. A route that is no prefix is `nlri`.
-- Lists are stored as texts that many routes share, which takes a third of the room and of the time
-- that arrays take, and are arrays to whoever asks: `has(communities, '65000:1')`.
CREATE TABLE IF NOT EXISTS routes
(
    received DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    time Nullable(DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    epoch DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    feed LowCardinality(String),
    router LowCardinality(String),
    router_address LowCardinality(String),
    peer LowCardinality(String),
    peer_as Nullable(UInt32),
    peer_bgp_id LowCardinality(String),
    peer_rd LowCardinality(String),
    view LowCardinality(String),
    table_name LowCardinality(String),
    kind LowCardinality(String),
    provenance LowCardinality(String),
    family LowCardinality(String),
    rd LowCardinality(String),
    address IPv6 CODEC(ZSTD(1)),
    length UInt8,
    nlri String CODEC(ZSTD(1)),
    components String CODEC(ZSTD(1)) COMMENT 'JSON object: the parts of an EVPN route',
    path_id Nullable(UInt32),
    labels Array(UInt32),
    path_status Array(LowCardinality(String)),
    next_hop LowCardinality(String),
    as_path_text LowCardinality(String) COMMENT 'AS_SETs in braces, confederations in brackets',
    origin_as Nullable(UInt32),
    origin LowCardinality(String),
    med Nullable(UInt32),
    local_pref Nullable(UInt32),
    atomic_aggregate Bool,
    aggregator LowCardinality(String),
    communities_text LowCardinality(String),
    ext_communities_text LowCardinality(String),
    large_communities_text LowCardinality(String),
    originator_id LowCardinality(String),
    cluster_list_text LowCardinality(String),
    unknown_attributes Array(String),
    reason String,
    warnings Array(LowCardinality(String)),
    prefix String ALIAS if(nlri != '' AND length = 0, '',
        if(length >= 96 AND NOT like(family, '%ipv6%') AND startsWith(toString(address), '::ffff:'),
            concat(substring(toString(address), 8), '/', toString(length - 96)),
            concat(toString(address), '/', toString(length)))),
    as_path Array(UInt32) ALIAS arrayMap(n -> toUInt32(n), extractAll(as_path_text, '[0-9]+')),
    communities Array(String) ALIAS extractAll(communities_text, '[^ ]+'),
    ext_communities Array(String) ALIAS extractAll(ext_communities_text, '[^ ]+'),
    large_communities Array(String) ALIAS extractAll(large_communities_text, '[^ ]+'),
    cluster_list Array(String) ALIAS extractAll(cluster_list_text, '[^ ]+')
)
ENGINE = MergeTree
PARTITION BY toDate(received)
ORDER BY (family, address, length, router, peer, view, received, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Every change of a Flowspec rule, with the message that carried it.
CREATE TABLE IF NOT EXISTS flowspec
(
    received DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    time Nullable(DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    epoch DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    feed LowCardinality(String),
    router LowCardinality(String),
    router_address LowCardinality(String),
    peer LowCardinality(String),
    peer_as Nullable(UInt32),
    peer_bgp_id LowCardinality(String),
    peer_rd LowCardinality(String),
    view LowCardinality(String),
    table_name LowCardinality(String),
    kind LowCardinality(String),
    provenance LowCardinality(String),
    family LowCardinality(String),
    rd LowCardinality(String),
    rule String CODEC(ZSTD(1)),
    precedence String CODEC(ZSTD(1)) COMMENT 'sorts rules as routers apply them, RFC 8955 section 5.1',
    path_id Nullable(UInt32),
    components String CODEC(ZSTD(1)) COMMENT 'JSON object in wire order',
    actions String CODEC(ZSTD(1)) COMMENT 'JSON array of objects',
    next_hop LowCardinality(String),
    as_path Nullable(String) CODEC(ZSTD(1)),
    origin_as Nullable(UInt32),
    origin LowCardinality(String),
    med Nullable(UInt32),
    local_pref Nullable(UInt32),
    atomic_aggregate Bool,
    aggregator LowCardinality(String),
    communities Array(LowCardinality(String)),
    ext_communities Array(LowCardinality(String)),
    large_communities Array(LowCardinality(String)),
    originator_id LowCardinality(String),
    cluster_list Array(LowCardinality(String)),
    unknown_attributes Array(String),
    reason String,
    warnings Array(LowCardinality(String)),
    raw String CODEC(ZSTD(1)) COMMENT 'the BMP message, hex'
)
ENGINE = MergeTree
PARTITION BY toDate(received)
ORDER BY (family, rule, router, peer, view, received, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What is not a route: feeds and peers that come and go, end-of-RIBs, statistics, and messages that
-- could not be decoded.
CREATE TABLE IF NOT EXISTS sessions
(
    received DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    time Nullable(DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    epoch DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    feed LowCardinality(String),
    router LowCardinality(String),
    router_address LowCardinality(String),
    peer LowCardinality(String),
    peer_as Nullable(UInt32),
    peer_bgp_id LowCardinality(String),
    peer_rd LowCardinality(String),
    view LowCardinality(String),
    table_name LowCardinality(String),
    kind LowCardinality(String),
    provenance LowCardinality(String),
    family LowCardinality(String),
    reason String,
    information String CODEC(ZSTD(1)) COMMENT 'JSON object',
    statistics String CODEC(ZSTD(1)) COMMENT 'JSON object',
    warnings Array(LowCardinality(String)),
    raw String CODEC(ZSTD(1)) COMMENT 'the BMP message, hex'
)
ENGINE = MergeTree
PARTITION BY toDate(received)
ORDER BY (router, peer, received, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Every transition of every incident.
CREATE TABLE IF NOT EXISTS incidents
(
    time DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    id String,
    detector LowCardinality(String),
    key String,
    severity LowCardinality(String),
    state LowCardinality(String),
    opened DateTime64(9, 'UTC') CODEC(ZSTD(1)),
    summary String CODEC(ZSTD(1)),
    details String CODEC(ZSTD(1)) COMMENT 'JSON object',
    evidence String CODEC(ZSTD(1)) COMMENT 'JSON array of events'
)
ENGINE = MergeTree
PARTITION BY toDate(time)
ORDER BY (detector, key, time)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
