"""Text functions for all parts: sentences, content words, and the embedder's word pieces."""
