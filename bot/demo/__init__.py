"""The shipped demo checkpoint: its synthetic data set and the program that trains it."""
