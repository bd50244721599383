"""A search of the hold of a volume without a PV: every interleaving of a few operations and their hold, judged in every state.

One volume for one node, two nodes, and a bounded number of operations under the volume's lock: publish A or B, unpublish A, B
or all nodes. Beside them runs the *hold*, a run of PersistAttachment, which writes outside the lock. Anything may happen
between two steps: the PV appears, without a record or with one of either node, or goes, and its record is known to all; an
attempt lands and its answer is lost, or hangs and lands late; the backend fails, having attached or not; an operation is
cancelled, gives up, is terminated, or is reset; a hold is ended by an operator, starts late, or is reset, while it is open or
after it has ended, and what it was reset from is forgotten; a request to end it arrives late; a publish
is forgotten once it has closed.

=========  =============================================================================
state      the parts of a state
rules      the decisions, asked of `mooring.records.holds` and `mooring.records.fence` themselves
publish    the steps of a publish and its rollback
unpublish  the steps of an unpublish
hold       the steps of a hold
world      all that may happen next, and the rules that hold in every state
search     breadth first, so that the first fault found is a nearest one
switches   the rules with one left out
=========  =============================================================================

The record's own rules are searched without bounds in tests/records/fence/explorer, so the index here knows the PV as it is, or not
at all. A reset returns to one moment of one run. The search ends with a number of states, too, so what takes many steps is not in
it; a search may begin in the midst of a story instead.

A hold that was over and of which nobody can tell that any more is a holder like others: it may record its node, and only that
nobody is let in beside another one is searched.

Not searched: a hold that is terminated while it takes back; a hold that starts late when another publish has begun.
"""
