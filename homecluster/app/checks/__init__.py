"""The checks of `doctor`: pure functions of facts that were read once."""
