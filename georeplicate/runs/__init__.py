"""Training runs: which there are, whether each is up to date, doing the rest, publishing what came of them."""
