"""A stateful imitation of the Direct Mail API v2: attachments of the messages of cloud projects."""
