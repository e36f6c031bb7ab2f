"""Controls below messages. Their state is their custom_id and the store, so they work after any restart."""
