"""Parts that any process of Mooring needs: its lifetime, health and metrics, pauses between tries, words for people."""
