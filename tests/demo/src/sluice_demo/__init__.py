"""A campaign from end to end, driven over HTTP as an app server would."""
