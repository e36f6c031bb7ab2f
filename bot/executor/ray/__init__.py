"""Engines on Ray Serve. Only the modules in here import ray, which is an extra."""
