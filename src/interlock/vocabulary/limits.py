"""Every limit by name, unit last, with its reason. A limit is refused at the door or recorded; it never truncates.

Limits that a user may move are fields of `interlock.settings.Settings`, whose defaults stand here.
"""

from __future__ import annotations

SLOTS: int = 256
"""Slots of a new store, fixed at its creation: enough for 256 workers, few enough that a control change touches
every row at once.
"""

EVENT_BYTES_MAX: int = 1_048_576
"""An event's body on the wire. Larger things (scans, mails) are payloads, stored once and named by digest."""

BODY_INLINE_BYTES_MAX: int = 16_384
"""A message's body in its ledger entry. A larger one is stored by its content, and the entry cites it."""

PAYLOAD_BYTES_MAX: int = 33_554_432
"""One picture or document. It is held in memory while an advisor reads it."""

DEPTH_MAX: int = 32
"""Nesting of an event's data: deeper input is an attack on the parser, not a business fact."""

INTEGER_BITS_MAX: int = 256
"""Integers on the wire: beyond any money or count, below what makes arithmetic slow."""

TEXT_ID_CHARS_MAX: int = 200
"""Keys, event ids, sources and principals: they are index columns."""

ADVICE_BYTES_MAX: int = 262_144
"""An advisor's whole answer with its rationale and evidence names."""

RATIONALE_CHARS_MAX: int = 4_000
"""A rationale is shown to people; longer text belongs into evidence."""

ADVICE_TIMEOUT_MS: int = 20_000
"""How long one advisor may take when the release does not say."""

MODEL_BYTES_MAX: int = 1_048_576
"""A model server's whole reply: an answer of a thousand tokens with all its log-probabilities takes a tenth."""

MODEL_TRIES_MAX: int = 5
"""Outputs of one model for one answer: one that does not get the form right in five does not get it."""

MODEL_SAMPLES_MAX: int = 32
"""Samples whose agreement makes a score: its steps are a thirty-second, and each is paid for."""

MODEL_GRACE_MS_MAX: int = 250
"""How much earlier than its timeout a model's advisor ends by itself, so that what it took so far is recorded."""

REASON_CHARS_MAX: int = 300
"""Why an output was refused: what a person reads, and what the model is told."""

RETRY_AFTER_MS_MAX: int = 600_000
"""How long a server may ask not to be called: a wrong header is not to close an advisor for a year."""

RETRY_AFTER_TRIES_MAX: int = 4
"""Calls of one server for one output when it keeps asking for time."""

ADVICE_REASKS_MAX: int = 3
"""How often an answer may turn out stale before a person is asked: a case that changes faster than it can be read."""

ANSWERS_KEPT_MAX: int = 16
"""Recorded answers per case that an identical question gets again."""

EFFECT_TIMEOUT_MS: int = 30_000
"""How long one performer, checker or fence call may take. A performer's timeout is an unknown outcome, never a
failure.
"""

EFFECT_ATTEMPTS_MAX: int = 8
"""Attempts of one effect before its outcome is a matter for people."""

PROBE_FIRST_MS: int = 5_000
"""First check of an effect in doubt: most lost replies have arrived by then."""

PROBE_MAX_MS: int = 3_600_000
"""Longest pause between two probes."""

PROBES_MAX: int = 24
"""Checks of one doubt that could not say before a person is asked, when the action does not say."""

PROBES_LIMIT: int = 1_000
"""Most checks an action may ask for: with an hour between them, six weeks."""

START_BEFORE_MS: int = 900_000
"""An effect not started this long after its decision is judged again: nothing fires after an outage."""

KEY_VALID_FOR_MS: int = 86_400_000
"""How long an outside system remembers an idempotency key when the action does not say."""

SETTLE_AFTER_MS: int = 900_000
"""How long an unfenced attempt may still take effect after "not happened" when the action does not say."""

ORPHAN_AFTER_MS: int = 604_800_000
"""How long an event waits for the event that opens its case before it goes to quarantine."""

PARKED_MAX: int = 1_000
"""Events that may wait for one case to open."""

REVIEW_EXPIRES_MS: int = 604_800_000
"""A review nobody answered ends; it never approves."""

REVIEW_CLAIM_MS: int = 1_800_000
"""How long a claimed review is one person's when the release does not say: a meeting, not a holiday."""

REVIEW_ANSWER_MS: int = 259_200_000
"""How long a review waits for the answer to a person's question when the release does not say."""

REVIEW_EXCHANGES_MAX: int = 16
"""Questions that people may ask back within one review: each stops its deadlines, which must come some day."""

REVIEW_REMINDERS_MAX: int = 8
"""Reminders that a release may set for one group; what nobody has heard by then needs other people."""

DELEGATION_MS_MAX: int = 31_622_400_000
"""Longest delegation: a year. Who is away for longer has left."""

DELEGATIONS_MAX: int = 32
"""Delegations of one person that are in force or still to come."""

BATCH_VERDICTS_MAX: int = 1_000
"""Reviews that one command may decide: more than a person can have looked at."""

BUDGET_WAIT_MS: int = 60_000
"""How long a decision waits for its budget's home before it is judged as exceeded."""

BUDGET_BUCKETS: int = 60
"""Resolution of a rolling window."""

BUDGET_WAIT_FOR_MS: int = 604_800_000
"""How long a decision waits for capacity (`on_exceeded = "wait"`) when the budget does not say; then a person is
asked.
"""

BUDGET_WAITING_MAX: int = 1_000
"""Decisions that one account calls when capacity comes free. Those beyond it ask again every BUDGET_WAIT_MS."""

BUDGET_KEY_CHARS_MAX: int = 120
"""Characters of a budget's key in the name of its account; a longer one is named by its digest."""

ROLLING_MS_MIN: int = 60_000
"""Shortest rolling window: its buckets are seconds, well above what a message between slots takes."""

STEP_MS_MAX: int = 2_000
"""Longest turn of one message. A reducer computes over one case; seconds mean a loop."""

STEP_KILL_MS: int = 10_000
"""A turn that ignores its interruption (a loop in C) ends with the process; the message is claimed alone afterwards."""

POISON_ATTEMPTS_MAX: int = 3
"""Deaths of the process with one message in hand before the message is quarantined."""

REQUESTS_PER_TURN_MAX: int = 64
"""What one reducer may ask for at once."""

FLAG_CHARS_MAX: int = 4_000
"""A flag is a remark for people; what is longer belongs into the state."""

UNIT_MESSAGES_MAX: int = 256
"""Messages of one slot in one unit: bounds the length of a transaction."""

LEASE_TTL_MS: int = 15_000
"""How long a worker may be silent before its leases are another's to take."""

CLOCK_JUMP_MS_MAX: int = 300_000
"""A wall clock that runs ahead of the monotonic one by more stops timers, expiries and starts until an operator
accepts it.
"""

ADVISOR_CONCURRENCY: int = 64
"""Calls in flight per advisor when the release does not say."""

EFFECT_CONCURRENCY: int = 32
"""Effects in flight per action when the release does not say."""

BREAKER_FAILURES: int = 5
"""Consecutive failures that open a dependency's breaker."""

BREAKER_OPEN_MS: int = 10_000
"""How long an open breaker lets nothing through before one call may try."""

ANCHOR_TIMEOUT_MS: int = 10_000
"""How long one try to send an anchor to a webhook may take."""

ANCHOR_TRIES_MAX: int = 4
"""Tries to send one anchor: a webhook that is away for longer gets the next one, which says as much."""

ANCHOR_EVERY_MS: int = 3_600_000
"""Between two anchors of a worker: what a rollback could hide is at most what happened in between."""

DISK_FREE_MIN_MB: int = 128
"""Room on the disk below which the door takes no events or calls: what is under way must still be recorded, and the
log of changes may grow to 32 MB before it is written back.
"""

DOOR_WAITING_MAX: int = 200_000
"""Messages in memory on their way into the store, per process: at a kilobyte each, what a burst may hold."""

INBOX_MAX: int = 1_000_000
"""Accepted, unconsumed messages per store before the door refuses: a backlog is better refused than discovered."""

RETAIN_DAYS: int = 90
"""How long a finished case stays at hand: most of what comes late comes within a quarter."""
