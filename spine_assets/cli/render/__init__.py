"""How commands print: tables for people, plain values for programs. Nothing here computes."""
