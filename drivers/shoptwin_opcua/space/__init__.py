"""What one server is and has: its limits, namespaces, clock, nodes and types."""
