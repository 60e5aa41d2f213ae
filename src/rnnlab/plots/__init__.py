"""Pictures drawn with Pillow, and the palette and style of all figures."""
