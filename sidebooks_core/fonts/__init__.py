"""Which font file replaces a font that a document names and does not carry. Without an engine."""
