"""The same weeks on each backend, side by side: `spine compare`.

Belongs here: building weeks on a backend in a folder of its own (`trial`), whether two lakes have
the same rows (`equality`), which backends can run, and the figures of all (`sides`).
Does not belong here: the backends themselves (`orchestration.launching`), and printing
(`cli.render_compare`).
"""
