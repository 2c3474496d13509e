"""A stateful EspoCRM 9.2: attachments that hang on fields of other records (upstreams.md section 5)."""
