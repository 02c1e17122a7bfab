"""Who is let in, when, and for how much: budgets, turns, connections."""
