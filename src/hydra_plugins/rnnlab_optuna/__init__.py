"""`hydra/sweeper=optuna`: Optuna chooses the next trials by the results of earlier ones."""
