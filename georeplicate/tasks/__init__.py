"""Questions to a model: how each is worded, and how its answer is read and scored."""
