"""The stage `devices`: deadlines, stalls, counters."""
