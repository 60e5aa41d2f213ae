"""Looks inside a trained model.

Each analysis is one file here and one yaml in `configs/analysis` of the same name: a subclass of
`Analysis`, whose keyword-only arguments are its settings. Beside them stand what they share
(`system`, `reading`, `autonomous`), their numerical cores, which know nothing of models, and their
drawings. To add one, take `lengths` as the pattern.
"""
