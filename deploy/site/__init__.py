"""The documentation as a site: built by MkDocs, carried by the package, served by the API."""
