"""The daemon of one PC in a cluster, and the channel over which PCs ask each other for work."""
