"""The three networks: DalleBart, VQGAN and CLIP, as parameters-only Flax NNX modules."""
