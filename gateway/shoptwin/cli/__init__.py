"""The command line: small files that ask other rooms and print; heavy imports stand inside the commands."""
