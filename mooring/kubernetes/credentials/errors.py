"""The reasons why a program has no credentials: its configuration, for good, or a renewal, for now."""

from __future__ import annotations

from typing import ClassVar

from mooring.errors import MooringError


class KubernetesNotConfigured(MooringError):
    """No API server is configured, or its configuration can't be used."""

    grpc_code: ClassVar[str] = "FAILED_PRECONDITION"
    advice = "Set KUBECONFIG, or --kubeconfig, to a file with which `kubectl version` reaches the cluster."


class NoCredentials(Exception):
    """There are no good credentials now; the message is the reason, part of a sentence."""
