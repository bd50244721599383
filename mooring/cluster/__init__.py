"""The nodes of a driver: their ids, how many volumes each may hold, and how they are."""
