"""A package for the sample to quote."""
