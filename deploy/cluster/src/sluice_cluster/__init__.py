"""Installs Sluice on the Kubernetes cluster that KUBECONFIG names, for a trial, and runs a campaign against it."""
