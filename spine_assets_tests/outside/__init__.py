"""Starting and following runs from outside: a real proxy before real servers of Dagster."""
