"""A search of the protocol where a volume has several PVs: `tests.records.fence.explorer` is for one PV, this for two that change.

One single-node volume, two nodes, and a few operations, one open at a time. The PVs are created and deleted at any moment, under
two names. Each step of an operation may be carried out by another worker: the PVs that its index knows are those that there were at
any moment of the past, and it shows each as it is now, or as anything at all. An attempt writes one PV after the
other; between any two it may hang, be tried again from the beginning, be given up, and go on at any later time. Operations are
refused for good, rolled back, and terminated.

=========  =============================================================================
state      the parts of a state
rules      the decisions, asked of `mooring.records.fence` itself, and what workers read and test
world      all that may happen next
judge      the rules that hold in every state
canonical  the renaming of states that are one
search     breadth first, so that the first fault found is a nearest one
switches   the rules with one left out
=========  =============================================================================

Two bounds: the number of operations, and how often PVs are created and deleted.

Searched twice. Where each worker knows all PVs that there are, no record may remain. Where any may be behind, an attempt of
a terminated run may land on a PV of which the next operation didn't know: that record remains, and nothing else may go wrong.

Not searched: resets and publish contexts (`tests.records.fence.explorer` has them for each PV by itself), PVs that can't be read,
and a record that vanishes with all PVs that bore it.
"""
