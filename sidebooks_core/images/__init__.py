"""A request becomes an image: finding, joining, drawing, prerendering."""
