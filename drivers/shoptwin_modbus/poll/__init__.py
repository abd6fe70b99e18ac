"""One device polled: the fewest requests, what is refused narrowed down, a breaker a unit, columns out of bytes."""
