"""The vision-language model: load, generate, token log-probabilities; a prompt shared by a group of completions."""
