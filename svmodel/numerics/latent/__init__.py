"""Latent Gaussian models of counts: priors, structures, likelihoods and the nested Laplace approximation."""
