"""`dalle-bot doctor`: what keeps a bot from working, and what to do about it.

It needs no running bot and changes nothing. Each check is a small function with a bound; `examination.py` runs them
all.
"""
