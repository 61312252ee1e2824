"""The stage `cells`: shards, their windows, and probes of silent holders."""
