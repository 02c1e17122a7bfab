"""What the API asks: live totals, emissions, explanations, restatements."""
