"""The demonstration: a morning of cheque clearing on real handwriting, with a bank that loses replies.

It is a user of the interlock like any other: an automation in a folder (`cheques`), events through the door, reviews
through the review operations. Beside that stands what the control layer never sees: the truth about every cheque
(`world`), the judge who compares the bank's books with it (`judge`) and reviewers who look at the paper itself
(`reviewers`).
"""
