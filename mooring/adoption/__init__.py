"""Adoption: attachments that predate Mooring get their records, or are kept from harm while in doubt."""
