"""The daemon's doors: REST over a Unix socket for the command line and the console, metrics for Prometheus.

The daemon takes `server.serve`, the command line `client.Client`; neither pays for importing the other.
"""
