"""Who asks: tokens of issuers, API keys, tenants, scopes, and the credentials that users bring for sources."""
