"""One session over asyncua's secure channel, and what became of former ones."""
