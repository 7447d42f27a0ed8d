"""Questions an analyst asks, each answered by one frame: `otc.Otc`, in Python, commands and pages.

Belongs here: what is asked and how the answer is compared, marked and typed. Does not belong here:
tables and views (`otc`), how a frame is printed (`cli`).
"""
