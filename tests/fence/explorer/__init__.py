"""An exhaustive search of the protocol that `mooring.fence` decides: every interleaving, judged in every state.

One volume, two nodes, and *any number* of operations, drawn from publish A, publish B, unpublish A, unpublish B and unpublish all.
One is open at a time. Anything may happen between two steps of it: an attempt lands and its answer is lost; it hangs, is given up, and
lands at any later time; the operation is cancelled, terminated, or reset to any earlier point of any run, open or closed; the index
shows any record at all; the PV is deleted and created anew.

========== ==========================================================================
state      what a state is made of
rules      the decisions, asked of `mooring.fence` itself, and what the API server tests
publish    the steps of a publish
unpublish  the steps of an unpublish
attempts   what may become of an attempt
world      what happens to an operation from outside: start, terminate, reset, the PV
judge      what must hold in every state
canonical  which states are one
search     breadth first, so that the first violation found is a shortest one
switches   the rules with one left out
========== ==========================================================================

The search ends by itself, without a bound on operations, retries, rounds or hung attempts, because so few states differ. Why
each reduction is sound:

- *An attempt that can't land is forgotten.* It lands only where uid, epoch and holder are its mark's, and an epoch never comes back.
- *Epochs are counted from the present one.* Decisions compare them only for "is it the present one" and "the one before".
- *Operations are told apart only where somebody may yet compare them.* All others are one: no decision can see the difference.
- *Two attempts at one write are one attempt.* Whichever lands moves the epoch, and the other one's mark is gone.
- *A retry needs no step.* It carries the same write, so the state it starts from is the state after it.
- *Rounds aren't counted.* An operation may give up in any round, which allows more than any bound on rounds does.
- *The index may show records that never were* (in the full search). That allows more than any staleness does; for a trace of a
  switched-off rule it shows only what was.
- *A reset is prepared by remembering.* A state remembers at most one moment of one run, any, chosen whenever; a later reset returns
  there. Not searched, therefore: two resets of which the second returns to before the first.
- *A reset to before the first look isn't a case of its own.* It is a terminate and a start.

Not searched: programs that change a holder without moving the epoch, the state of a backend, access modes that differ
between two publishes of one volume (test_decisions.py has those).
"""
