"""The search index in OpenSearch: its schema, its writer and reader, and the vectors in it."""
