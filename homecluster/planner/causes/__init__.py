"""Why a cluster, a plan or a job is slow, stuck or apart: one small pure rule for each cause."""
