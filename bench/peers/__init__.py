"""Other question-answering systems beside ours: what is asked of each, and how each is asked."""
