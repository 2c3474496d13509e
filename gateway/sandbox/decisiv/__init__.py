"""A stateful imitation of the Decisiv Platform API 0.0.7: attachments of service cases, in XML."""
