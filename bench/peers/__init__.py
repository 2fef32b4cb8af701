"""Compare other question-answering systems with ours on the same documents and questions."""
