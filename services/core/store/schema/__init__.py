"""What is stored: tables, rights, migrations."""
