"""The same weeks on each backend, side by side: `spine compare`.

Belongs here: which backends can run (`backends`), building weeks on one of them in a folder of its
own (`trial`), whether two lakes have the same rows (`equality`), and the figures of all (`sides`).
Does not belong here: the backends themselves (`orchestration.launching`), and printing
(`cli.render_compare`).
"""
