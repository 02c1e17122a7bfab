"""Derived channels: a channel that is computed from others, minute by minute.

formula: text -> a bounded tree. dimensions: whether its units fit. minutes: the tree over minutes.
"""
