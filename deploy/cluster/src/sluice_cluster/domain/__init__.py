"""Pure parts: what the chart is told, and how an image gets to which kind of cluster."""
