"""`davy bench`: what this machine can do with this Davy, measured, each figure beside its ceiling of the same run."""
