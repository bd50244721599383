"""An exhaustive search of the protocol that `mooring.records.fence` decides: every interleaving, judged in every state.

One volume, two nodes, and *any number* of operations, drawn from publish A, publish B, unpublish A, unpublish B and unpublish all
nodes. One is open at a time. Anything may happen between two steps of it: an attempt lands and its answer is lost; it hangs, is
given up, and lands at any later time; the operation is cancelled, terminated, or reset to any earlier point of any run, open or
closed; the index shows any record at all; the PV is deleted, held or not, and created again, or has its annotations taken away.
The evidence beyond the PV is kept beside it then (mooring/evidence/evidence.py), and the promise holds across all of it.

=========  =============================================================================
state      the parts of a state
rules      the decisions, asked of `mooring.records.fence` itself, and what the API server tests
decisions  a workflow's next step, by its history alone
steps      the steps of an operation, and their outcomes
attempts   the ways an attempt may end
world      all that may happen next, from inside and outside an operation
judge      the rules that hold in every state
canonical  the renaming of states that are one
driver     a driver that enforces the fencing tokens, where the rules have one (tokens, lighter)
search     breadth first, so that the first fault found is a nearest one
switches   the rules with one left out
=========  =============================================================================

The search ends by itself, without a bound on operations, retries, rounds, hung attempts or PVs, because so few states differ. Why
each reduction is sound:

- *An attempt that can't land is forgotten.* It lands only where uid, epoch and holder are its mark's; an epoch never returns.
- *An operation that waits for such an attempt is where a look leads.* The refusal shows it the PV, and nothing else can happen.
- *Epochs are counted from the present one.* Decisions ask of them only "is it the present one" and "is it the one before".
- *Operations are distinguished only where somebody may yet compare them.* All others are one: no decision sees the difference.
- *The nodes may change names*, all over a state: no decision prefers one.
- *Two attempts at one write are one attempt.* Whichever lands moves the epoch, and the other one's mark is gone.
- *A retry needs no step.* It carries the same write, so the state it starts from is the state after it.
- *Rounds aren't counted.* An operation may give up in any round, which allows more than any bound on rounds does.
- *Nothing comes between an answer and a decision that doesn't end the operation.* The decision sees only the run, so it can as well
  come first; ended from outside before it, the operation would have fewer attempts under way than after it.
- *The index may show records that never were* (in the full search). That allows more than any staleness does. For the trace of a
  rule left out it shows only what was.
- *A reset is prepared by remembering.* A state remembers at most one moment of one run, any, chosen whenever; a later reset
  returns there. Not searched, therefore: two resets of which the second returns to before the first.
- *A reset to where a new operation may get by itself isn't a case of its own.* It is a terminate and a start.
- *A worker that dies in the first task leaves its local attempt, hanging or landed.* The run begins again, and knows just that. If
  the attempt can't land any more, it does no more than a run that looks. A release or description beyond that task is no case of
  its own: the history has the decision, so it is attempted again.
- *All evidence is known to everybody.* Of its sources one is taken to answer. Annotations are taken away only while no operation
  is open, and an attempt that hangs is over by then: one that was decided before the first write would land on what is stripped.

test_explorer.py walks at random to compare states with their canonical ones, and every trace is walked again without them.

With a driver the operations are bounded, their attempts and hanging calls are not: the tokens keep the epochs apart. The PV stays
then, and has an epoch from the beginning. A reset returns to where a call is waited for only if the operation was cancelled
there, since nothing else has a run do something while it waits.

Not searched: other programs that change a holder without moving the epoch (the holder in a mark is there for them), attachments
that wait for their PV, and publishes of one volume in different access modes (test_decisions.py has those).
"""
