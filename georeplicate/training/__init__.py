"""Rewards, and the two training stages: SFT and GRPO."""
