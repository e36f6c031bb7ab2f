from tests.golden.sets import folders

__all__ = ["folders"]
