"""`hydra/launcher=joblib|submitit_local|submitit_slurm|ray`: jobs of a sweep side by side."""
