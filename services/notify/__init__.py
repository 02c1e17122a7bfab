"""The notifier: alerts -> people and machines. Promise: told at least once, never silently lost."""
