"""Transfer functions of PDF pages, which the engine does not carry out."""
