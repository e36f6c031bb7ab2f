from tests.command_line import call, clean_surroundings, opened

__all__ = ["call", "clean_surroundings", "opened"]
