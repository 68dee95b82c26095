"""From a predictor to rows and numbers: predictions, trivial baselines, scores."""
