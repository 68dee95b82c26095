"""The data engine: from a coordinate and a moment to a checked chain of thought.

Template().write(facts, attributes, rng=rng)    the template teacher: true and visible facts in words
vocabulary()                                    every word of its terse register
"""

from georeplicate.engine.template import Template, vocabulary

__all__ = ["Template", "vocabulary"]
