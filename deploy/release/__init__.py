"""What a release consists of: packages, bill of materials, provenance, signatures; and audits."""
