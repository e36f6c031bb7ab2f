"""Who may ask for what, when and where: pure policy without Discord. The cogs ask it, on the event loop."""
