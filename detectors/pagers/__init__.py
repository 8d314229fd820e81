"""How people are told: one module per kind of receiver, retry in the outbox."""
