"""Images by Block2: who may fetch one, and what is loaded for whom."""
