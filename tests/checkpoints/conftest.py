from tests.golden.sets import folders
from tests.golden.tiny_model import tiny_model

__all__ = ["folders", "tiny_model"]
