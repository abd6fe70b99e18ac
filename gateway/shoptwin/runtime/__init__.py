"""What keeps the daemon running: clocks, supervised tasks, the worker thread, systemd's notify protocol, logs."""
