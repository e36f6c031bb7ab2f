"""Measuring commands."""
