"""Opening documents, and what is remembered of them."""
