"""Credentials for Kubernetes, case by case as kubectl takes them."""
