"""Every job with its parameters, state and message ids, in SQL."""
