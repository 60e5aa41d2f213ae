"""The gallery: published results found again, with the control that must fail."""
