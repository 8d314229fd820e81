"""GoBGP over gRPC: what its controller holds and what its peers send, as events."""
