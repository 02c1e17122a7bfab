"""The notifier: alerts -> people and machines. Promise: delivered at least once, never lost."""
