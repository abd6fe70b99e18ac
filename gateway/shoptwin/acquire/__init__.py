"""Data acquisition (ISO 13374): drivers are found, groups planned, devices polled and watched, each on its own."""
