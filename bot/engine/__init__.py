"""The generation loop on the device: prefill, insert, step, collect, free."""
