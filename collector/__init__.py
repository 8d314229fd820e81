"""Bytes from routers to events, and events to ClickHouse."""
