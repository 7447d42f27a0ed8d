"""The same weeks on each backend, side by side: `spine compare`.

Belongs here: which backends can run (`backends`), running weeks on one of them in a place of its
own (`trial`), and whether two lakes hold the same (`equality`). Does not belong here: the
backends themselves (`launching`, `definitions`), and how it is shown (`cli.render_compare`).
"""
