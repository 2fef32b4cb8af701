"""From a question to passages, and whether they cover it."""
