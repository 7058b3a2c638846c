"""Opens documents, and remembers facts about them."""
