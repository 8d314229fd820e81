"""Where events are kept: ClickHouse, embedded."""
