"""One file per change of the schema. A file that was released is never edited."""
