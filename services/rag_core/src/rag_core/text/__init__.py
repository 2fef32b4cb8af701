"""What all floors know of text: sentences, words that carry meaning, and the embedder's word pieces."""
