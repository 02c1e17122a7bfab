"""The pages of the documentation that are made from the code's own tables.

``python -m deploy.reference`` writes them below ``deploy/docs``; a test compares what is
there with what it would write.
"""
