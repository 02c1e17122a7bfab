"""What every call has in common: parameters, answers, problems, middleware."""
