"""Every call against every fault, and what must come of it, in a word (test_faults.py)."""

TABLE = """
                 precreate   query    close       refund   refund_query  notify

time-out before  later       unclear  held        unclear  unclear       again
time-out after   later       unclear  held        unclear  unclear       twice
500              later       unclear  held        unclear  unclear       twice
HTML             later       unclear  held        unclear  unclear       twice
reset            later       unclear  held        unclear  unclear       twice
unsigned         later       unclear  held        unclear  unclear       refused
wrong signature  later       unclear  held        unclear  unclear       refused
SYSTEM_ERROR     later       unclear  held        unclear  unclear       refused
delayed          shown       paid     freed       done     done          known
duplicated       shown       paid     held        done     done          twice
shuffled         shown       paid     freed+held  done     done          known
dropped          later       unclear  held        unclear  unclear       never
"""

# What a fault is where its name alone does not say it:
#   500 ... SYSTEM_ERROR  each before Alipay has done it, and after, when only the answer is bad;
#                         of a notice it is the shop's answer that is lost or bad on its way back
#   SYSTEM_ERROR          a notice has no code: it is one of a trade_status that does not exist
#   delayed               the answer comes, but takes its time
#   duplicated            the call arrives twice, and only the second answer is heard: of a close,
#                         that there is nothing to close any more
#   shuffled              two at once, of which the first is answered last: two presses of the
#                         button, two who ask, two who cancel (one of them can), two refunds
#   dropped               the connection breaks before the call has arrived

FAULTS_OF_THE_SANDBOX = {
    "time-out before": ("timeout", ["before"]),
    "time-out after": ("timeout", ["after"]),
    "500": ("http_500", ["before", "after"]),
    "HTML": ("html", ["before", "after"]),
    "reset": ("reset", ["before", "after"]),
    "unsigned": ("unsigned", ["before", "after"]),
    "wrong signature": ("wrong_signature", ["before", "after"]),
    "SYSTEM_ERROR": ("system_error", ["before", "after"]),
}


def cells() -> dict[tuple[str, str], str]:
    head, *rows = [line for line in TABLE.splitlines() if line.strip()]
    found: dict[tuple[str, str], str] = {}
    for row in rows:
        words = row[17:].split()
        found |= {
            (api, row[:17].strip()): word for api, word in zip(head.split(), words, strict=True)
        }
    return found
