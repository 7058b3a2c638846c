"""IIIF: image addresses, what to draw for them, presentation manifests."""
