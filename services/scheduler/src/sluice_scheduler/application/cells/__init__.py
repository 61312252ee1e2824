"""The stage `cells`: probes of silent holders."""
