"""kubectl, helm, the image's build, and the parts that run beside the cluster."""
