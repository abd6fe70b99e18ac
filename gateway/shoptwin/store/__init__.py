"""The two files on disk: `ledger.db` (alarms, outbox, audit; never lost) and `twin.db` (samples; may be begun anew)."""
