"""From an uploaded file to searchable chunks, and out of the index again."""
