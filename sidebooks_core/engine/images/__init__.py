"""Images as documents, and images in PDFs that the engine cannot unpack."""
