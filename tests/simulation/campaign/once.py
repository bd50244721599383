"""Stories in which a promise was broken once, each with what it was: the suite plays them, and they break nothing.

Stories, and not seeds, as a seed means another world whenever the plans of worlds change. A story that was shrunk is added
here with the change that mends what it shows, as `make simulate` prints it.
"""

from __future__ import annotations

from typing import Final

ONCE: Final = {
    "seed=run2/0 operations=42 kind=usual volumes=5 nodes=3 workers=1 unnamed=no disturbed=yes": (
        "An unpublish that was terminated before it read the record left no word of the token that its detach bore, "
        "so that every later detach bore a lower one, and the volume could be had by nobody any more."
    ),
    "seed=4001/1 operations=160 kind=PVs-come-late volumes=1 nodes=3 workers=2 unnamed=no disturbed=yes": (
        "A publish whose first task was begun before was refused on its own look, and rolled back. Reset to the midst of that, it "
        "looked again, which its history doesn't have."
    ),
    "seed=4003/10 operations=300 kind=PVs-come-late volumes=1 nodes=2 workers=1 unnamed=no disturbed=yes": (
        "An unpublish whose first task was begun before detached on the look that it began with. Reset to after that, it looked "
        "again, which its history doesn't have."
    ),
    "seed=4002/1 operations=40 kind=PVs-go volumes=2 nodes=3 workers=3 unnamed=no disturbed=yes": (
        "A publish without a PV was terminated while the backend attached, after its hold had been: nothing told of the node, and "
        "the volume went to another one."
    ),
    "seed=4004/2 operations=300 kind=PVs-come-late volumes=2 nodes=2 workers=1 unnamed=no disturbed=yes": (
        "A node's hold was terminated, which leaves it in doubt; a publish to it that was rolled back took that for released, as "
        "its own hold had ended."
    ),
    "seed=4006/2 operations=300 kind=PVs-come-late volumes=1 nodes=3 workers=2 unnamed=no disturbed=yes": (
        "A publish that was refused for a node that waited, and looked again as it was rolled back, forgot that node; then the "
        "hold was terminated."
    ),
    "seed=5006/8 operations=300 kind=PVs-go volumes=2 nodes=3 workers=2 unnamed=no disturbed=yes": (
        "It was the judge that erred: a hold was terminated and then there was a PV, on which nothing names the node; Mooring "
        "keeps the volume from everybody else all the same."
    ),
    "seed=7101/22 operations=140 kind=drift volumes=1 nodes=2 workers=1 unnamed=no disturbed=yes": (
        "It was the judge that erred: a publish was reset to the moment at which the backend was asked, so that Temporal asked it "
        "again, long afterwards and of a driver that enforces no token."
    ),
    "seed=20001/0 operations=300 kind=shared-volumes volumes=1 nodes=3 workers=3 unnamed=no disturbed=yes": (
        "What a publish that was reset knew was taken for older than a record that was written before the reset, so a worker whose "
        "index had only that one recorded the volume without the node that the publish had attached it to."
    ),
    "seed=2b6a8240/3 operations=300 kind=views-differ volumes=2 nodes=2 workers=3 unnamed=no disturbed=yes": (
        "An adoption that was refused because a node waited for a PV, and had looked at the one that had just come, was taken for "
        "the last word: the node was recorded, the PV made anew, and another node had the volume."
    ),
    "seed=30005/6 operations=40 kind=several-PVs volumes=2 nodes=2 workers=2 unnamed=no disturbed=yes": (
        "A worker that knew one of two PVs recorded a node on that alone, as a free record led to no other. That PV went, and the "
        "epoch of the other was taken for the last word: another node was let in."
    ),
    "seed=q3/2 operations=300 kind=busy-operator volumes=1 nodes=3 workers=2 unnamed=no disturbed=yes": (
        "A publish was terminated in the midst of its rollback, when the backend had detached, and reset to a moment after its "
        "attach: it succeeded on that, and the node had the volume not attached."
    ),
    "seed=f4/0 operations=300 kind=PVs-go volumes=2 nodes=3 workers=3 unnamed=no disturbed=yes": (
        "A publish acquired a higher epoch on a PV made anew, which then went, and a lower one on the next, as every worker that "
        "had seen the one before had been killed. Every later detach bore a lower token than its own, and nobody could let go."
    ),
    "seed=f7/1 operations=300 kind=busy-operator volumes=1 nodes=3 workers=2 unnamed=no disturbed=yes": (
        "A rollback was reset between its look and its detach: it took the node out of the record as its former self, whose "
        "acquisition that was, and had not detached it, as a run that leaves what its former self acquired."
    ),
    "seed=f9/2 operations=300 kind=shared-volumes volumes=1 nodes=3 workers=2 unnamed=no disturbed=yes": (
        "A PV came while the node that the last one had named was unpublished, and another's hold recorded both. The unpublish "
        "ended on its look from before, so the record named a node from which the volume had been taken."
    ),
    "seed=1/9 operations=150 kind=shared-volumes volumes=2 nodes=4 workers=1 unnamed=no disturbed=yes": (
        "A node that waited for a PV, as one of several, was known by an unpublish of another alone, and named for exclusive use "
        "on the PV that came, since the request of an unpublish says no mode."
    ),
    "seed=sv2/0 operations=300 kind=several-PVs volumes=1 nodes=3 workers=3 unnamed=no disturbed=yes": (
        "One of several PVs went, and a watch that lagged still showed a VolumeAttachment that had been detached: its node was "
        "written into the record, where nobody released it."
    ),
    "seed=1/0 operations=60 kind=PVs-of-sharers-go volumes=1 nodes=3 workers=2 unnamed=no disturbed=yes": (
        "An unpublish whose release was refused, as the PV had gone, went by what the workers knew. Those that had seen it had "
        "been killed, so it wrote an epoch at which it had detached before."
    ),
}
