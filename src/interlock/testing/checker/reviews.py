"""Guarantee 7: approvals are bound to what was shown, count once, and expire.

Every approval that a started effect relies on is traced to a verdict that somebody sent, on a review that was open,
for the arguments and facts that it showed.
"""

from __future__ import annotations

from interlock.testing.checker.effects import Start, starts_of
from interlock.testing.checker.history import CaseName, History, Violation
from interlock.testing.checker.reading import Line, Plain, Story


def judge(history: History, story: Story) -> list[Violation]:
    found: list[Violation] = []
    reviews = _opened(story)
    used: dict[str, set[tuple[CaseName, str]]] = {}
    for start in starts_of(story):
        approvals = start.effect.get("approvals", ())
        if not approvals:
            continue
        name = start.effect.get("review") or ""
        review = reviews.get(name)
        if review is None:
            found.append(Violation(7, "an effect cites a review that was never open", (start.name, name)))
            continue
        used.setdefault(name, set()).add(start.owner)
        found.extend(_bound(history, story, start, name, review))
    for name, owners in used.items():
        if len(owners) > 1:
            found.append(Violation(7, f"one review permitted {len(owners)} effects", (name,)))
    found.extend(_timeouts(story))
    return found


def _opened(story: Story) -> dict[str, Plain]:
    """Every review as it was last shown, by full id."""
    found: dict[str, Plain] = {}
    for line in story.lines:
        for local, review in line.after.get("reviews", {}).items():
            found[f"{line.case[0]}/{line.case[1]}/{local}"] = review
    return found


def _bound(history: History, story: Story, start: Start, name: str, review: Plain) -> list[Violation]:
    found: list[Violation] = []
    effect = start.effect
    where = (start.name, name)
    if review["args"] != effect["args"] or review["action"] != effect["action"]:
        found.append(Violation(7, "an approval was used for other arguments than shown", where))
    verdicts = [
        line for line in story.of(start.line.case) if _is_verdict(line, review["id"]) and line.slot == start.line.slot
    ]
    people: dict[str, set[str]] = {}
    for approval in effect["approvals"]:
        principal, group, behalf = approval["principal"], approval["group"], approval.get("behalf", "")
        if people.setdefault(group, set()) & {principal, behalf}:
            found.append(Violation(7, f"{principal} or {behalf or 'they'} approved twice for {group}", where))
        people[group] |= {principal}
        acting = approval.get("acting") or group
        given = [line for line in verdicts if _gives(line, principal, acting) and line.lsn <= start.line.lsn]
        if not given:
            found.append(Violation(7, f"{principal} never approved for {group}", where))
            continue
        if all(acting not in _asked(line, review["id"], group) for line in given):
            found.append(Violation(7, f"{acting} approved for {group} and was not asked to", where))
        if all(line.cause["body"]["seen"] != review["seen"] for line in given):
            found.append(Violation(7, f"{principal} approved something else than was shown", where))
        if all(line.at >= review["expires_at"] for line in given):
            found.append(Violation(7, f"{principal} approved after the review had expired", where))
        if {principal, behalf} & set(review.get("requesters", ())) and not {group, acting} <= history.rules.two_eyes:
            found.append(Violation(7, f"{principal} approved what they or {behalf or 'nobody'} had asked for", where))
        if _taken_back(story, start, principal, review["id"], max((line.lsn for line in given), default=0)):
            found.append(Violation(7, f"{principal} had taken the approval back before the start", where))
    for group in review["groups"]:
        needed = group.get("approvals", 1)
        if len(people.get(group["name"], ())) < needed:
            found.append(Violation(7, f"{group['name']} gave fewer approvals than {needed} different people", where))
    return found


def _asked(line: Line, review: str, group: str) -> list[str]:
    """Who could act for a group when this verdict came: whoever it is handed to later takes nothing back."""
    return line.before.get("reviews", {}).get(review, {}).get("handled", {}).get(group, [group])


def _is_verdict(line: Line, review: str) -> bool:
    body = line.cause.get("body", {})
    return line.kind == "turn" and body.get("kind") == "review" and body.get("review") == review


def _gives(line: Line, principal: str, group: str) -> bool:
    body = line.cause["body"]
    # An editor of a group without four eyes approves their own edit; that is the one verdict that is not "approve".
    return line.cause["principal"] == principal and body["group"] == group and body["verdict"] in ("approve", "edit")


def _taken_back(story: Story, start: Start, principal: str, review: str, after: int) -> bool:
    """Whether the person withdrew it between giving it and the effect's first start, whatever was made of that."""
    if start.effect.get("attempt") != 1:
        return False
    for line in story.of(start.line.case):
        body = line.cause.get("body", {})
        withdrawn = body.get("kind") == "handling" and body.get("act") == "withdraw" and body.get("review") == review
        ours = withdrawn and line.kind == "turn" and line.cause["principal"] == principal
        if ours and line.slot == start.line.slot and after < line.lsn < start.line.lsn:
            return True
    return False


def _timeouts(story: Story) -> list[Violation]:
    """A deadline never approves: no effect comes into being in a turn that a deadline caused for a review."""
    found: list[Violation] = []
    for line in story.lines:
        body = line.cause.get("body", {})
        if body.get("kind") == "wake" and body.get("what") == "review":
            new = line.after.get("effects", {}).keys() - line.before.get("effects", {}).keys()
            found.extend(Violation(7, "a timeout permitted an effect", (line.place, name)) for name in sorted(new))
    return found
