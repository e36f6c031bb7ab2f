"""From the event loop to the engine and back."""
