"""Backups: a bot's database and its pictures in one file, made while it runs, and put back while none does.

`make_backup` and `restore_backup` block; the commands call them.
"""

from bot.backups.making import BackupReport, make_backup
from bot.backups.restoring import RestoreReport, restore_backup

__all__ = ["BackupReport", "RestoreReport", "make_backup", "restore_backup"]
