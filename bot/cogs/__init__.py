"""Slash commands, one concept per file."""
