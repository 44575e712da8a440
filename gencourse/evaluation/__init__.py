"""Measuring a model: models whose answer is known, estimators, distances."""
