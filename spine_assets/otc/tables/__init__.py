"""The tables: a module for each, with its declaration and its pure builder."""
