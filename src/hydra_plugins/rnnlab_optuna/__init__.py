"""`hydra/sweeper=optuna`: what to try next is chosen by what came of the trials before."""
