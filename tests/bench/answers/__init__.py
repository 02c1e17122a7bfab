"""Answers of the API over a store of years: the store, what is at work beside it, the questions."""
