"""Checkpoints in their original formats: find, read, map names, load strictly; tokenizers and text."""
