"""The client of the Kubernetes API: requests, lists and watches, and objects as they are sent. Nothing here knows their meaning to
Mooring."""
