"""Engines on Ray Serve. Only the modules in here import ray, which is an extra."""

import os

# Ray reads this when it is imported. Without it, it starts a cluster in this process when it is asked for something
# after the one that the process was in is lost.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
