"""Grafana dashboards, and the script that builds them."""
