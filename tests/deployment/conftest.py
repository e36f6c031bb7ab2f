from tests.command_line import call, clean_surroundings

__all__ = ["call", "clean_surroundings"]
