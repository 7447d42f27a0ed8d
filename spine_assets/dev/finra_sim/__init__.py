"""A local server that answers as FINRA's query API does, with synthetic data.

`dataset` declares what can be requested, `query` reads a request, `market`, `restating` and
`wrong_totals` make the rows, `archive` decides what is published on which day, `answering` and
`rendering` make pages. `access`, `traffic` and `faults` are what a client has to cope with.
`simulator` combines them, `app` and `steering` are its addresses, and `serving` runs them on a
socket.

Does not belong here: a client of FINRA's API. Nothing here is FINRA's data: rows come from our
own seeded generator.
"""

from spine_assets.dev.finra_sim.faults import Fault, FaultKind
from spine_assets.dev.finra_sim.options import SimOptions
from spine_assets.dev.finra_sim.restating import Change, Restatement
from spine_assets.dev.finra_sim.serving import SimServer, serving
from spine_assets.dev.finra_sim.simulator import Simulator
from spine_assets.dev.finra_sim.wrong_totals import WrongTotal

__all__ = [
    "Change",
    "Fault",
    "FaultKind",
    "Restatement",
    "SimOptions",
    "SimServer",
    "Simulator",
    "WrongTotal",
    "serving",
]
