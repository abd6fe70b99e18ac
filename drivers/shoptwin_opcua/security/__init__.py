"""Certificates, trust and logins."""
