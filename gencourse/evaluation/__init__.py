"""How good is a model? Likelihoods and bounds, and what its latent variables carry."""
