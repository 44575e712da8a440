"""gencourse: the companion package of the course *Generative Models, Measured*.

Every equation of the course is computed by a function of this package and proved by one of its
tests. Start at `gencourse.families`, one file for each family of generative models.
"""

__version__ = "0.1.0"
