"""Transfer functions of PDF pages, which the engine ignores."""
