"""The audit log: who did what, from where, before and after. Rows are only ever added."""
