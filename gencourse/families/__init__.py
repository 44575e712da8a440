"""The families of generative models, one file each.

Every family shows the same face: `loss(x)`, `sample(n)`, `log_prob(x)` in nats where it has a
likelihood, and `likelihood`, which says what that number is: "exact", "bound", "estimate", "none".
"""
