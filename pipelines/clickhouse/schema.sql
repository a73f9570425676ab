-- hellotap's records in ClickHouse: a Kafka topic -> one table a kind of record -> roll-ups.
--
--   hellotap -o 'kafka://broker1,broker2/hellotap' --records hello,event,flow,aggregate,stats
--   clickhouse-client --multiquery < schema.sql
--
-- Field names and their meaning:
-- docs/fields.md. What comes twice (delivery is at least once) has the same sensor_id, sensor_run and
-- sequence: those end the sorting key of each table, so ReplacingMergeTree keeps one of them;
-- `FINAL` does so before a merge has.

CREATE DATABASE IF NOT EXISTS hellotap;

-- The queue. Its broker list is the one thing to change. Fields that no column has are passed over.
CREATE TABLE hellotap.queue
(
    record LowCardinality(String),
    ts DateTime64(9, 'UTC'),
    sensor_id LowCardinality(String),
    sensor_run UInt64,
    sequence UInt64,
    kind LowCardinality(String),
    severity LowCardinality(String),
    src_ip IPv6,
    src_port UInt16,
    dst_ip IPv6,
    dst_port UInt16,
    transport LowCardinality(String),
    community_id String,
    encap Array(String),
    service LowCardinality(String),
    protocol LowCardinality(String),
    via Array(LowCardinality(String)),
    upgrade_state LowCardinality(String),
    in_clear Array(LowCardinality(String)),
    evidence String,
    seen LowCardinality(String),
    complete Bool,
    incomplete_reason LowCardinality(String),
    hello_number UInt8,
    hello_len UInt32,
    sni String,
    alpn Array(String),
    alpn_first String,
    tls_version LowCardinality(String),
    ciphers Array(UInt16),
    extensions Array(UInt16),
    groups Array(UInt16),
    key_share_groups Array(UInt16),
    sig_algs Array(UInt16),
    psk Bool,
    early_data Bool,
    pq Bool,
    ech LowCardinality(String),
    ja3 String,
    ja4 String,
    quic_version UInt32,
    quic_user_agent String,
    start DateTime64(9, 'UTC'),
    end DateTime64(9, 'UTC'),
    duration_us UInt64,
    end_reason LowCardinality(String),
    flow_part UInt32,
    c2s_packets UInt64,
    c2s_bytes UInt64,
    c2s_ip_bytes UInt64,
    s2c_packets UInt64,
    s2c_bytes UInt64,
    s2c_ip_bytes UInt64,
    c2s_tcp_flags UInt8,
    s2c_tcp_flags UInt8,
    hellos UInt64,
    incomplete_hellos UInt64,
    server_version LowCardinality(String),
    server_cipher UInt16,
    server_alpn String,
    server_group UInt16,
    ja3s String,
    hrr Bool,
    resumed Bool,
    refused Bool,
    alert LowCardinality(String),
    alert_from LowCardinality(String),
    server_quic_version UInt32,
    quic_retry Bool,
    cert_subject String,
    cert_issuer String,
    cert_sans Array(String),
    cert_not_before DateTime64(0, 'UTC'),
    cert_not_after DateTime64(0, 'UTC'),
    cert_key LowCardinality(String),
    cert_key_bits UInt32,
    cert_sha256 String,
    cert_findings Array(LowCardinality(String)),
    client_cert Bool,
    window_start DateTime64(9, 'UTC'),
    window_end DateTime64(9, 'UTC'),
    flows UInt64,
    first_seen DateTime64(9, 'UTC'),
    last_seen DateTime64(9, 'UTC'),
    clients UInt64,
    hello_len_min UInt32,
    hello_len_max UInt32,
    hello_len_mean UInt32,
    resumed_flows UInt64,
    refused_flows UInt64,
    other Bool,
    other_keys UInt64,
    frames_read UInt64,
    frames_lost UInt64,
    records_made UInt64,
    records_lost UInt64
)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = 'localhost:9092',
    kafka_topic_list = 'hellotap',
    kafka_group_name = 'clickhouse-hellotap',
    kafka_format = 'JSONEachRow',
    kafka_num_consumers = 1,
    kafka_handle_error_mode = 'stream',
    input_format_skip_unknown_fields = 1,
    date_time_input_format = 'best_effort';

-- One hello a row: who offered what to whom.
CREATE TABLE hellotap.hellos
(
    ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    src_ip IPv6,
    src_port UInt16,
    dst_ip IPv6,
    dst_port UInt16,
    transport LowCardinality(String),
    community_id String,
    encap Array(String),
    service LowCardinality(String),
    protocol LowCardinality(String),
    via Array(LowCardinality(String)),
    complete Bool,
    incomplete_reason LowCardinality(String),
    hello_number UInt8,
    hello_len UInt32,
    sni String CODEC(ZSTD),
    alpn Array(String),
    tls_version LowCardinality(String),
    ciphers Array(UInt16) CODEC(ZSTD),
    extensions Array(UInt16) CODEC(ZSTD),
    groups Array(UInt16) CODEC(ZSTD),
    key_share_groups Array(UInt16) CODEC(ZSTD),
    sig_algs Array(UInt16) CODEC(ZSTD),
    psk Bool,
    early_data Bool,
    pq Bool,
    ech LowCardinality(String),
    ja3 LowCardinality(String),
    ja4 LowCardinality(String),
    quic_version UInt32,
    quic_user_agent String,
    sensor_id LowCardinality(String),
    sensor_run UInt64,
    sequence UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(ts)
ORDER BY (sni, dst_ip, dst_port, ts, sensor_id, sensor_run, sequence)
TTL toDate(ts) + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW hellotap.hellos_of_queue TO hellotap.hellos AS
SELECT
    ts, src_ip, src_port, dst_ip, dst_port, transport, community_id, encap, service, protocol, via,
    complete, incomplete_reason, hello_number, hello_len, sni, alpn, tls_version, ciphers,
    extensions, groups, key_share_groups, sig_algs, psk, early_data, pq, ech, ja3, ja4,
    quic_version, quic_user_agent, sensor_id, sensor_run, sequence
FROM hellotap.queue
WHERE record = 'hello';

-- One flow, or one part of a long one, a row.
CREATE TABLE hellotap.flows
(
    ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    start DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    end DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    duration_us UInt64,
    end_reason LowCardinality(String),
    flow_part UInt32,
    src_ip IPv6,
    src_port UInt16,
    dst_ip IPv6,
    dst_port UInt16,
    transport LowCardinality(String),
    community_id String,
    service LowCardinality(String),
    protocol LowCardinality(String),
    via Array(LowCardinality(String)),
    c2s_packets UInt64,
    c2s_bytes UInt64,
    c2s_ip_bytes UInt64,
    s2c_packets UInt64,
    s2c_bytes UInt64,
    s2c_ip_bytes UInt64,
    c2s_tcp_flags UInt8,
    s2c_tcp_flags UInt8,
    hellos UInt64,
    incomplete_hellos UInt64,
    sni String CODEC(ZSTD),
    alpn Array(String),
    tls_version LowCardinality(String),
    ja3 LowCardinality(String),
    ja4 LowCardinality(String),
    server_version LowCardinality(String),
    server_cipher UInt16,
    server_alpn LowCardinality(String),
    server_group UInt16,
    ja3s LowCardinality(String),
    hrr Bool,
    resumed Bool,
    refused Bool,
    alert LowCardinality(String),
    alert_from LowCardinality(String),
    server_quic_version UInt32,
    quic_retry Bool,
    cert_subject String CODEC(ZSTD),
    cert_issuer String CODEC(ZSTD),
    cert_sans Array(String) CODEC(ZSTD),
    cert_not_before DateTime64(0, 'UTC'),
    cert_not_after DateTime64(0, 'UTC'),
    cert_key LowCardinality(String),
    cert_key_bits UInt32,
    cert_sha256 String,
    cert_findings Array(LowCardinality(String)),
    client_cert Bool,
    sensor_id LowCardinality(String),
    sensor_run UInt64,
    sequence UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(ts)
ORDER BY (sni, dst_ip, dst_port, ts, sensor_id, sensor_run, sequence)
TTL toDate(ts) + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW hellotap.flows_of_queue TO hellotap.flows AS
SELECT
    ts, start, end, duration_us, end_reason, flow_part, src_ip, src_port, dst_ip, dst_port,
    transport, community_id, service, protocol, via, c2s_packets, c2s_bytes, c2s_ip_bytes,
    s2c_packets, s2c_bytes, s2c_ip_bytes, c2s_tcp_flags, s2c_tcp_flags, hellos, incomplete_hellos,
    sni, alpn, tls_version, ja3, ja4, server_version, server_cipher, server_alpn, server_group,
    ja3s, hrr, resumed, refused, alert, alert_from, server_quic_version, quic_retry, cert_subject,
    cert_issuer, cert_sans, cert_not_before, cert_not_after, cert_key, cert_key_bits, cert_sha256,
    cert_findings, client_cert, sensor_id, sensor_run, sequence
FROM hellotap.queue
WHERE record = 'flow';

-- What hellotap has summed up itself; this is what a large network keeps for years. The columns of
-- the key are those of the default key (docs/aggregate.md).
CREATE TABLE hellotap.aggregates
(
    window_start DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    window_end DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
    src_ip IPv6,
    dst_ip IPv6,
    dst_port UInt16,
    transport LowCardinality(String),
    protocol LowCardinality(String),
    via Array(LowCardinality(String)),
    sni String CODEC(ZSTD),
    alpn_first LowCardinality(String),
    tls_version LowCardinality(String),
    ja4 LowCardinality(String),
    flows UInt64,
    hellos UInt64,
    incomplete_hellos UInt64,
    c2s_packets UInt64,
    c2s_bytes UInt64,
    c2s_ip_bytes UInt64,
    s2c_packets UInt64,
    s2c_bytes UInt64,
    s2c_ip_bytes UInt64,
    first_seen DateTime64(9, 'UTC'),
    last_seen DateTime64(9, 'UTC'),
    clients UInt64,
    hello_len_min UInt32,
    hello_len_max UInt32,
    hello_len_mean UInt32,
    resumed_flows UInt64,
    refused_flows UInt64,
    other Bool,
    other_keys UInt64,
    sensor_id LowCardinality(String),
    sensor_run UInt64,
    sequence UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (sni, dst_ip, dst_port, window_start, sensor_id, sensor_run, sequence)
TTL toDate(window_start) + INTERVAL 2 YEAR;

CREATE MATERIALIZED VIEW hellotap.aggregates_of_queue TO hellotap.aggregates AS
SELECT
    window_start, window_end, src_ip, dst_ip, dst_port, transport, protocol, via, sni, alpn_first,
    tls_version, ja4, flows, hellos, incomplete_hellos, c2s_packets, c2s_bytes, c2s_ip_bytes,
    s2c_packets, s2c_bytes, s2c_ip_bytes, first_seen, last_seen, clients, hello_len_min,
    hello_len_max, hello_len_mean, resumed_flows, refused_flows, other, other_keys, sensor_id,
    sensor_run, sequence
FROM hellotap.queue
WHERE record = 'aggregate';

-- Events are few and kept as they are.
CREATE TABLE hellotap.events
(
    ts DateTime64(9, 'UTC'),
    kind LowCardinality(String),
    severity LowCardinality(String),
    src_ip IPv6,
    src_port UInt16,
    dst_ip IPv6,
    dst_port UInt16,
    transport LowCardinality(String),
    service LowCardinality(String),
    via Array(LowCardinality(String)),
    upgrade_state LowCardinality(String),
    in_clear Array(LowCardinality(String)),
    evidence String,
    seen LowCardinality(String),
    sensor_id LowCardinality(String),
    sensor_run UInt64,
    sequence UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (kind, ts, sensor_id, sensor_run, sequence)
TTL toDate(ts) + INTERVAL 1 YEAR;

CREATE MATERIALIZED VIEW hellotap.events_of_queue TO hellotap.events AS
SELECT
    ts, kind, severity, src_ip, src_port, dst_ip, dst_port, transport, service, via, upgrade_state,
    in_clear, evidence, seen, sensor_id, sensor_run, sequence
FROM hellotap.queue
WHERE record = 'event';

-- The ledger's sums of each sensor, since its start. A replay's has no time.
CREATE TABLE hellotap.stats
(
    ts DateTime64(9, 'UTC'),
    frames_read UInt64,
    frames_lost UInt64,
    records_made UInt64,
    records_lost UInt64,
    sensor_id LowCardinality(String),
    sensor_run UInt64,
    sequence UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (sensor_id, sensor_run, sequence)
TTL toDate(ts) + INTERVAL 90 DAY;

CREATE MATERIALIZED VIEW hellotap.stats_of_queue TO hellotap.stats AS
SELECT
    if(toUnixTimestamp(ts) = 0, now64(9, 'UTC'), ts) AS ts,
    frames_read, frames_lost, records_made, records_lost, sensor_id, sensor_run, sequence
FROM hellotap.queue
WHERE record = 'stats';

-- What a line could not be made of.
CREATE TABLE hellotap.unreadable
(
    at DateTime DEFAULT now(),
    error String,
    message String
)
ENGINE = MergeTree
ORDER BY at
TTL at + INTERVAL 7 DAY;

CREATE MATERIALIZED VIEW hellotap.unreadable_of_queue TO hellotap.unreadable AS
SELECT _error AS error, _raw_message AS message FROM hellotap.queue WHERE length(_error) > 0;

-- Roll-up by hour: names, clients and fingerprints. Records are counted as different (sensor, run,
-- sequence), so that one that came twice counts once; as an estimate, with an error of some 0.5 %.
CREATE TABLE hellotap.hellos_by_hour
(
    hour DateTime('UTC'),
    sni String,
    tls_version LowCardinality(String),
    ja4 LowCardinality(String),
    hellos AggregateFunction(uniqCombined, String, UInt64, UInt64),
    incomplete AggregateFunction(uniqCombinedIf, String, UInt64, UInt64, UInt8),
    clients AggregateFunction(uniqCombined, IPv6),
    pq AggregateFunction(uniqCombinedIf, String, UInt64, UInt64, UInt8),
    last_seen SimpleAggregateFunction(max, DateTime64(9, 'UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (sni, hour, tls_version, ja4)
TTL toDate(hour) + INTERVAL 2 YEAR;

CREATE MATERIALIZED VIEW hellotap.hellos_by_hour_of_hellos TO hellotap.hellos_by_hour AS
SELECT
    toDateTime(toStartOfHour(ts), 'UTC') AS hour,
    sni,
    tls_version,
    ja4,
    uniqCombinedState(toString(sensor_id), sensor_run, sequence) AS hellos,
    uniqCombinedIfState(toString(sensor_id), sensor_run, sequence, toUInt8(NOT complete)) AS incomplete,
    uniqCombinedState(src_ip) AS clients,
    uniqCombinedIfState(toString(sensor_id), sensor_run, sequence, toUInt8(pq)) AS pq,
    max(ts) AS last_seen
FROM hellotap.hellos
GROUP BY hour, sni, tls_version, ja4;

-- Servers whose certificates want a look.
CREATE VIEW hellotap.certificates AS
SELECT
    cert_sha256,
    any(cert_subject) AS subject,
    any(cert_issuer) AS issuer,
    any(cert_not_after) AS not_after,
    groupUniqArrayArray(cert_findings) AS findings,
    groupUniqArray(10)(dst_ip) AS servers,
    groupUniqArray(10)(sni) AS names,
    max(ts) AS last_seen
FROM hellotap.flows
WHERE cert_sha256 != ''
GROUP BY cert_sha256;

-- Is anything missing? One row a sensor and run: records that came, those that came more than once,
-- and sequence numbers that never came. Sound as long as all kinds of record of a run go to one topic.
CREATE VIEW hellotap.completeness AS
SELECT
    sensor_id,
    sensor_run,
    count() AS came,
    count() - uniqExact(sequence) AS twice,
    max(sequence) - min(sequence) + 1 - uniqExact(sequence) AS missing
FROM
(
    SELECT sensor_id, sensor_run, sequence FROM hellotap.hellos
    UNION ALL
    SELECT sensor_id, sensor_run, sequence FROM hellotap.flows
    UNION ALL
    SELECT sensor_id, sensor_run, sequence FROM hellotap.aggregates
    UNION ALL
    SELECT sensor_id, sensor_run, sequence FROM hellotap.events
    UNION ALL
    SELECT sensor_id, sensor_run, sequence FROM hellotap.stats
)
GROUP BY sensor_id, sensor_run;
