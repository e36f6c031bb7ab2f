"""Backups: a bot's database and its pictures in one file, made while it runs, and put back while none does.

All of them block; the commands call them.
"""

from bot.backups.making import BackupReport, make_backup
from bot.backups.restoring import BackupContents, RestoreReport, check_backup, restore_backup

__all__ = ["BackupContents", "BackupReport", "RestoreReport", "check_backup", "make_backup", "restore_backup"]
