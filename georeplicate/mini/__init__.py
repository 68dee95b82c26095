"""The mini stand-in: a tiny Qwen2.5-VL, how its base was made, what it is shown, and whether that can be learnt.

For dry runs of photographs: `layouts` (random checkpoints as published ones lie on disk), `cities` (a CV-Cities tree).
"""
