"""All that touches Dagster's insides, apart from the definitions themselves."""
