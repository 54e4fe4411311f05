"""Whether the remedies that `diagnose` names help by what it says."""
