"""The stages of a training as the command line calls them; needs no heavy library."""

from typing import Literal

StageName = Literal["vqgan", "dalle-bart", "clip"]
