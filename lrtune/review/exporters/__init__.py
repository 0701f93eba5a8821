"""What `lrtune.review.export` is made of: formulas, templates, and the source around them."""
